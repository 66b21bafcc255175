//! Properties of choices, for any fleet.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use weir_protocol::report::{Endpoint, Status};
use weir_protocol::{EdgeId, Name, Report};

use super::*;
use crate::RedirectLimits;
use crate::policy::Policy;
use crate::random::mix;
use crate::rules::{Rules, WhenFull};
use crate::testing::{at, report, snapshot_on};
use crate::zone_id::ZoneId;
use crate::zones::{ZoneDefinition, Zones};

fn settings(rules: Rules) -> FleetSettings {
    FleetSettings { rules, ..FleetSettings::default() }
}

fn by(policy: Policy) -> FleetSettings {
    settings(Rules { policy, ..Rules::default() })
}

/// A report with this number of connections and this limit.
fn loaded(connections: u64, limit: u64) -> Report<'static> {
    let mut report = report();
    report.load.connections = Some(connections);
    report.capacity.connections = Some(limit);
    report
}

fn weighted(weight: f32) -> Report<'static> {
    let mut report = report();
    report.weight = Some(weight);
    report
}

/// A balancer: a snapshot of its fleet, and its selector.
struct Balancer {
    snapshot: Snapshot,
    selector: Selector,
    random: u64,
}

impl Balancer {
    fn new(settings: FleetSettings, reports: &[Report<'_>]) -> Self {
        Self { snapshot: snapshot_on(&settings, reports), selector: Selector::new(settings, []), random: 0 }
    }

    fn assign_for(&mut self, query: &SelectionQuery<'_>, now: Time) -> Result<(u8, Reason), Refusal> {
        self.random += 1;
        self.selector.assign(&self.snapshot, query, now, self.random).map(|choice| match choice {
            Choice::Edge(edge, reason) => (edge.id.0[0], reason),
            Choice::Overflow => (0, Reason::Overflow),
        })
    }

    /// Returns the number of the edge, from 1, or 0 for none.
    fn assign(&mut self) -> u8 {
        self.assign_for(&SelectionQuery::default(), at(0)).map_or(0, |(edge, _)| edge)
    }

    /// Assigns `count` clients. Returns how many each edge got.
    fn assign_many(&mut self, count: usize) -> Vec<u32> {
        let mut assigned = vec![0; self.snapshot.edges.len()];
        for _ in 0..count {
            assigned[usize::from(self.assign()) - 1] += 1;
        }
        assigned
    }
}

fn of_stream(stream: u64) -> SelectionQuery<'static> {
    SelectionQuery { stream: Some(stream), ..SelectionQuery::default() }
}

#[test]
fn the_least_utilised_edge_gets_the_client_regardless_of_its_size() {
    assert_eq!(
        Balancer::new(FleetSettings::default(), &[loaded(30, 100), loaded(40, 200), loaded(50, 100)]).assign(),
        2
    );
}

#[test]
fn the_nearest_limit_determines_the_utilisation() {
    let mut wide = loaded(10, 100);
    wide.load.out_bits_per_second = Some(900_000_000);
    wide.capacity.bits_per_second = Some(1_000_000_000);
    let mut hot = loaded(10, 100);
    hot.load.utilisations.push((Name::from_static("gpu"), 0.8));
    assert_eq!(Balancer::new(FleetSettings::default(), &[wide.clone(), hot.clone(), loaded(70, 100)]).assign(), 3);
    assert_eq!(Balancer::new(by(Policy::LeastConnections), &[wide.clone(), loaded(70, 100)]).assign(), 1);
    let mut idle = loaded(70, 100);
    idle.load.out_bits_per_second = Some(1_000_000);
    assert_eq!(Balancer::new(by(Policy::LeastBandwidth), &[wide, idle]).assign(), 2);
}

#[test]
fn cpu_counts_only_with_a_cpu_limit() {
    let mut busy = loaded(10, 100);
    busy.load.cpu = Some(0.95);
    let edges = [busy, loaded(50, 100)];
    assert_eq!(Balancer::new(FleetSettings::default(), &edges).assign(), 1);
    let limited = settings(Rules { cpu_limit: Some(0.9), ..Rules::default() });
    assert_eq!(Balancer::new(limited, &edges).assign(), 2);
}

#[test]
fn a_crowd_between_two_reports_is_spread_over_the_edges() {
    let edges = [loaded(0, 100), loaded(10, 100), loaded(20, 100)];
    assert_eq!(Balancer::new(FleetSettings::default(), &edges).assign_many(60), [30, 20, 10], "each has 30 in the end");
}

#[test]
fn equal_edges_are_chosen_equally_often() {
    let mut got = [0_u32; 3];
    for random in 0..3000 {
        let mut balancer = Balancer::new(FleetSettings::default(), &[report(), report(), report()]);
        balancer.random = random;
        got[usize::from(balancer.assign()) - 1] += 1;
    }
    assert!(got.iter().all(|count| count.abs_diff(1000) < 150), "{got:?}");
}

#[test]
fn a_full_edge_gets_no_clients_until_it_is_well_below_its_limit() {
    let mut balancer = Balancer::new(FleetSettings::default(), &[loaded(98, 100)]);
    assert_eq!([(); 3].map(|()| balancer.assign()), [1, 1, 0]);
    assert_eq!(balancer.assign_for(&SelectionQuery::default(), at(0)), Err(Refusal::Full));
    let settings = FleetSettings::default();
    let is_full_after = |connections: u64, milliseconds: u64| {
        balancer.snapshot.edges[0].apply(&loaded(connections, 100), at(milliseconds).into(), &settings, 0.0);
        balancer.snapshot.edges[0].load.is_full()
    };
    assert!(is_full_after(100, 2000) && is_full_after(96, 4000), "not yet");
    assert!(!is_full_after(94, 6000));
}

#[test]
fn when_all_edges_are_full_a_client_is_refused_or_overflows_or_gets_the_least_utilised() {
    let edges = [loaded(110, 100), loaded(105, 100)];
    assert_eq!(
        Balancer::new(FleetSettings::default(), &edges).assign_for(&SelectionQuery::default(), at(0)),
        Err(Refusal::Full)
    );
    let best_effort = settings(Rules { when_full: WhenFull::BestEffort, ..Rules::default() });
    let mut balancer = Balancer::new(best_effort.clone(), &edges);
    assert_eq!(balancer.assign_for(&SelectionQuery::default(), at(0)), Ok((2, Reason::BestEffort)));
    balancer.selector = Selector::new(best_effort, [Protocol::Http]);
    let http = SelectionQuery { protocol: Some(Protocol::Http), ..SelectionQuery::default() };
    assert_eq!(balancer.assign_for(&http, at(0)), Ok((0, Reason::Overflow)));
    let rtmp = SelectionQuery { protocol: Some(Protocol::Rtmp), ..SelectionQuery::default() };
    assert_eq!(balancer.assign_for(&rtmp, at(0)), Ok((2, Reason::BestEffort)), "no overflow target for this protocol");
}

#[test]
fn an_edge_counts_as_busier_the_older_its_report_is() {
    let mut quick = loaded(10, 100);
    quick.interval = Duration::from_secs(1);
    let steady = loaded(20, 100);
    let mut balancer = Balancer::new(FleetSettings::default(), &[quick, steady]);
    let mut at_age = |milliseconds| balancer.assign_for(&SelectionQuery::default(), at(milliseconds)).unwrap().0;
    assert_eq!([2000, 3500, 4001].map(&mut at_age), [1, 2, 2]);
    assert_eq!(
        balancer.assign_for(&SelectionQuery::default(), at(5000)).unwrap().0,
        2,
        "its report is fresh for two of its own intervals"
    );
    assert!(balancer.assign_for(&SelectionQuery::default(), at(5001)).is_err());
}

#[test]
fn a_refusal_says_why_no_edge_could_be_chosen() {
    let refusal = |reports: &[Report<'_>], query: &SelectionQuery<'_>| {
        let zones = Zones::new(vec![zone("eu", &[]), zone("us", &[])]).unwrap();
        let settings = FleetSettings { zones: Arc::new(zones), ..FleetSettings::default() };
        Balancer::new(settings, reports).assign_for(query, at(0)).unwrap_err()
    };
    let mut paused = report();
    paused.status = Status::Paused;
    let mut rtmp_only = report();
    rtmp_only.endpoints.push(Endpoint::new("rtmp", 1935));
    let mut american = report();
    american.zone = Name::new("us").ok();
    let any_client = SelectionQuery::default();
    assert_eq!(refusal(&[], &any_client), Refusal::NoEdge);
    assert_eq!(refusal(&[paused], &any_client), Refusal::NoneAvailable);
    let rtsp = SelectionQuery { protocol: Some(Protocol::Rtsp), ..any_client };
    assert_eq!(refusal(&[rtmp_only], &rtsp), Refusal::ProtocolNotServed);
    let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..any_client };
    assert_eq!(refusal(&[american], &european), Refusal::ZoneNotServed);
}

fn zone(name: &str, spill: &[&str]) -> ZoneDefinition {
    let spill = spill.iter().map(|name| (*name).to_owned()).collect();
    ZoneDefinition { name: name.to_owned(), spill, ..ZoneDefinition::default() }
}

#[test]
fn a_client_stays_in_its_zone_or_spills_in_the_configured_order() {
    let zones = Zones::new(vec![zone("eu", &["us", "*"]), zone("us", &["*"]), zone("asia", &[])]).unwrap();
    let settings = FleetSettings { zones: Arc::new(zones), ..FleetSettings::default() };
    let edge = |zone: Option<_>, connections| {
        loaded(connections, 100).with(|report| report.zone = zone.map(Name::from_static))
    };
    let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..SelectionQuery::default() };
    let pick = |edges: &[Report<'_>]| Balancer::new(settings.clone(), edges).assign_for(&european, at(0));
    assert_eq!(pick(&[edge(Some("us"), 0), edge(Some("eu"), 90)]), Ok((2, Reason::Policy)));
    assert_eq!(
        pick(&[edge(Some("us"), 90), edge(None, 0)]),
        Ok((2, Reason::Policy)),
        "an edge without a zone belongs to all"
    );
    assert_eq!(pick(&[edge(Some("asia"), 0), edge(Some("us"), 90)]), Ok((2, Reason::SpillZone)));
    assert_eq!(pick(&[edge(Some("asia"), 0), edge(Some("eu"), 100)]), Ok((1, Reason::SpillZone)), "any other");
    let asian = SelectionQuery { zone: Some(ZoneId::at(2)), ..SelectionQuery::default() };
    assert!(Balancer::new(settings.clone(), &[edge(Some("eu"), 0)]).assign_for(&asian, at(0)).is_err());
}

#[test]
fn viewers_of_a_stream_share_an_edge_while_the_load_allows() {
    let affine = settings(Rules { affinity: true, ..Rules::default() });
    let edges: Vec<_> = (0..20).map(|_| loaded(500, 1000)).collect();
    let mut balancer = Balancer::new(affine, &edges);
    balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.5, 0.5));
    let (first, reason) = balancer.assign_for(&of_stream(7), at(0)).unwrap();
    assert_eq!(reason, Reason::AffinityHash);
    for _ in 0..12 {
        assert_eq!(balancer.assign_for(&of_stream(7), at(0)), Ok((first, Reason::AffinityWarm)));
    }
    let mut second = (first, Reason::AffinityWarm);
    for _ in 0..10 {
        second = balancer.assign_for(&of_stream(7), at(0)).unwrap();
        if second.0 != first {
            break;
        }
    }
    assert_ne!(second.0, first, "busier than the others by 2 % and four clients");
    assert_eq!(second.1, Reason::AffinityHash);
    assert_eq!(balancer.assign_for(&SelectionQuery::default(), at(0)).unwrap().1, Reason::Policy, "no stream named");
}

#[test]
fn a_new_edge_gets_few_streams_at_first() {
    let affine = settings(Rules { affinity: true, ..Rules::default() });
    let edges: Vec<_> = std::iter::once(loaded(0, 1000)).chain((0..20).map(|_| loaded(500, 1000))).collect();
    let mut balancer = Balancer::new(affine, &edges);
    balancer.snapshot.edges[0].load.start_ramp(at(1));
    // Of all edges only the new one is not busier than this.
    balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.45, 0.0));
    let mut got = [0_u32; 22];
    for stream in 0..1000 {
        got[usize::from(balancer.assign_for(&of_stream(mix(stream)), at(0)).unwrap().0)] += 1;
    }
    assert!((80..250).contains(&got[1]), "a tenth of the streams, and some by policy: {}", got[1]);
}

#[test]
fn an_edge_that_named_a_disallowed_host_gets_no_clients_by_affinity_either() {
    let redirect_limits = RedirectLimits { hosts: vec!["example".to_owned()], networks: Vec::new() };
    let rules = Rules { affinity: true, ..Rules::default() };
    let settings = FleetSettings { redirect_limits, rules, ..FleetSettings::default() };
    let with_host = |host| loaded(1, 1000).with(|report| report.redirect = weir_protocol::Host::new(host).ok());
    let mut balancer = Balancer::new(settings, &[with_host("evil.test"), with_host("edge.example")]);
    balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.5, 0.5));
    balancer.selector.record_stream(7, 0, at(0));
    // The host that it names now is allowed; the one in this snapshot is not.
    balancer.snapshot.edges[0].load.set_allowed(true);
    assert_eq!(balancer.assign_for(&of_stream(7), at(0)).unwrap().0, 2);
}

#[test]
fn a_client_stays_in_its_zone_even_when_every_edge_is_full() {
    let zones = Zones::new(vec![zone("eu", &[]), zone("us", &[])]).unwrap();
    let rules = Rules { when_full: WhenFull::BestEffort, ..Rules::default() };
    let settings = FleetSettings { zones: Arc::new(zones), rules, ..FleetSettings::default() };
    let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..SelectionQuery::default() };
    let edge = |zone, connections| loaded(connections, 100).with(|report| report.zone = Name::new(zone).ok());
    let mut balancer = Balancer::new(settings.clone(), &[edge("us", 0), edge("eu", 100)]);
    assert_eq!(balancer.assign_for(&european, at(0)), Ok((2, Reason::BestEffort)));
    let strict = FleetSettings { rules: Rules::default(), ..settings };
    let mut balancer = Balancer::new(strict, &[edge("us", 0), edge("eu", 100)]);
    assert_eq!(balancer.assign_for(&european, at(0)), Err(Refusal::Full));
}

#[test]
fn round_robin_takes_turns_by_weight() {
    let edges = [weighted(1.0), weighted(2.0), weighted(0.5)];
    assert_eq!(Balancer::new(by(Policy::RoundRobin), &edges).assign_many(70), [20, 40, 10]);
    let mut equal = Balancer::new(by(Policy::RoundRobin), &[report(), report(), report()]);
    assert_eq!([(); 6].map(|()| equal.assign()), [1, 2, 3, 1, 2, 3]);
}

#[test]
fn wowza_chooses_the_fewest_connections_and_the_first_of_equals() {
    let edges = [loaded(3, 100), loaded(1, 2), loaded(2, 1000)];
    let mut balancer = Balancer::new(by(Policy::Wowza), &edges);
    assert_eq!([(); 5].map(|()| balancer.assign()), [2, 3, 1, 3, 1], "the second edge is full with two");
}

#[test]
fn a_new_edge_gets_few_clients_at_first() {
    let edges: Vec<_> = std::iter::once(loaded(0, 1000)).chain((0..20).map(|_| loaded(500, 1000))).collect();
    let mut balancer = Balancer::new(FleetSettings::default(), &edges);
    balancer.snapshot.edges[0].load.start_ramp(at(1));
    let at_once = balancer.assign_many(1000)[0];
    assert!((5..=50).contains(&at_once), "a tenth of four times its share of 48: {at_once}");
    let mut small = Balancer::new(FleetSettings::default(), &edges[..3]);
    small.snapshot.edges[0].load.start_ramp(at(1));
    let at_once = small.assign_many(1000)[0];
    assert!((60..=140).contains(&at_once), "one in ten: {at_once}");
}

/// Fleets of any kind, and for each edge whether an HTTP client of zone 0 may get it.
fn fleets() -> impl Strategy<Value = Vec<(Report<'static>, bool)>> {
    let edge = (0_u8..4, 0_u64..120, 0_usize..3, 0_usize..4, any::<bool>());
    prop::collection::vec(edge, 0..40).prop_map(|edges| {
        let make = |(status, connections, zone, scheme, is_foreign): (u8, u64, usize, usize, bool)| {
            let mut report = loaded(connections, 100);
            report.status = Status::try_from(status).unwrap();
            report.zone = [None, Some("home"), Some("away")][zone].map(Name::from_static);
            if let Some(scheme) = ["http", "https", "rtmp"].get(scheme) {
                report.endpoints.push(Endpoint::new(scheme, 1));
            }
            report.redirect = weir_protocol::Host::new(if is_foreign { "edge.elsewhere" } else { "edge.example" }).ok();
            let is_eligible = status == 0 && connections < 100 && zone != 2 && scheme != 2 && !is_foreign;
            (report, is_eligible)
        };
        edges.into_iter().map(make).collect()
    })
}

proptest! {
    #[test]
    fn only_eligible_edges_are_chosen_and_one_is_if_there_is_any(
        fleet in fleets(), policy in prop::sample::select(&Policy::ALL[..]), affinity in any::<bool>(),
        stream in prop::option::of(any::<u64>()), random in any::<u64>(),
    ) {
        let redirect_limits = RedirectLimits { hosts: vec!["example".to_owned()], networks: Vec::new() };
        let zones = Arc::new(Zones::new(vec![zone("home", &[])]).unwrap());
        let settings = FleetSettings { redirect_limits, zones, rules: Rules { policy, affinity, ..Rules::default() } };
        let reports: Vec<_> = fleet.iter().map(|(report, _)| report.clone()).collect();
        let mut balancer = Balancer::new(settings, &reports);
        balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.5, 0.1));
        balancer.random = random;
        let (protocol, zone) = (Some(Protocol::Http), Some(ZoneId::at(0)));
        let query = SelectionQuery { protocol, zone, stream, client: random, excluded: &[] };
        let any_is_eligible = fleet.iter().any(|(_, is_eligible)| *is_eligible);
        let assigned = balancer.assign_for(&query, at(5000));
        prop_assert_eq!(assigned.is_ok(), any_is_eligible);
        if let Ok((edge, _)) = assigned {
            prop_assert!(fleet[usize::from(edge) - 1].1, "edge {}", edge);
        }
        prop_assert!(balancer.assign_for(&query, at(5001)).is_err(), "every edge has been silent for too long");
    }

    #[test]
    fn shares_follow_the_weights(weights in prop::collection::vec(0.5_f32..8.0, 2..30)) {
        let reports: Vec<_> = weights.iter().map(|weight| weighted(*weight)).collect();
        let total: f32 = weights.iter().sum();
        for policy in [Policy::LeastUtilised, Policy::LeastConnections, Policy::Random] {
            let assigned = Balancer::new(by(policy), &reports).assign_many(10_000);
            for (weight, assigned) in weights.iter().zip(assigned) {
                let expected = weight / total * 10_000.0;
                // A random choice deviates by six standard deviations once in half a billion; the other policies
                // correct themselves.
                let allowed = if policy == Policy::Random { 6.0 * expected.sqrt() } else { 20.0 };
                let deviation = (assigned as f32 - expected).abs();
                prop_assert!(deviation <= allowed, "{:?}: {} of {}", policy, assigned, expected);
            }
        }
    }

    #[test]
    fn two_balancers_agree_on_the_order_of_a_stream_and_removing_an_edge_moves_only_its_streams(
        sizes in prop::collection::vec(100_u64..10_000, 2..30), streams in prop::collection::vec(any::<u64>(), 50),
    ) {
        let reports: Vec<_> = sizes.iter().map(|size| loaded(0, *size)).collect();
        let mut one = Balancer::new(by(Policy::Hash), &reports);
        let mut other = Balancer::new(by(Policy::Hash), &reports);
        other.random = 1000;
        let removed = one.assign_for(&of_stream(streams[0]), at(0)).unwrap().0;
        let mut paused = reports.clone();
        paused[usize::from(removed) - 1].status = Status::Paused;
        let mut without = Balancer::new(by(Policy::Hash), &paused);
        let mut moved = BTreeSet::new();
        for stream in streams {
            let home = one.assign_for(&of_stream(stream), at(0)).unwrap().0;
            prop_assert_eq!(other.assign_for(&of_stream(stream), at(0)).unwrap().0, home);
            let now = without.assign_for(&of_stream(stream), at(0)).unwrap().0;
            if home == removed { moved.insert(now); } else { prop_assert_eq!(now, home); }
        }
        prop_assert!(!moved.contains(&removed));
    }
}

#[test]
fn excluded_edges_get_no_clients_and_the_others_do() {
    let rules = Policy::ALL.into_iter().flat_map(|policy| [(policy, false), (policy, true)]);
    // All of a few edges are considered, and some of many are drawn.
    for ((policy, affinity), count) in rules.flat_map(|rules| [(rules, 3), (rules, 40)]) {
        let reports = vec![loaded(1, 100); count];
        let settings = settings(Rules { policy, affinity, ..Rules::default() });
        let mut balancer = Balancer::new(settings, &reports);
        let excluded: Vec<EdgeId> = balancer.snapshot.edges.iter().skip(2).map(|edge| edge.id).collect();
        for stream in 0..50 {
            let query = SelectionQuery {
                stream: Some(stream),
                client: stream,
                excluded: &excluded,
                ..SelectionQuery::default()
            };
            let (edge, _) = balancer.assign_for(&query, at(0)).unwrap();
            assert!(edge <= 2, "{policy:?}, affinity {affinity}: {edge} of {count}");
        }
        let excluded: Vec<EdgeId> = balancer.snapshot.edges.iter().map(|edge| edge.id).collect();
        let query = SelectionQuery { stream: Some(1), excluded: &excluded, ..SelectionQuery::default() };
        assert!(balancer.assign_for(&query, at(0)).is_err(), "{policy:?}, affinity {affinity}");
        // The edges that one client excludes are available to another.
        assert!(balancer.assign_for(&SelectionQuery::default(), at(0)).is_ok(), "{policy:?}, affinity {affinity}");
    }
}

#[test]
fn full_edges_can_be_excluded_too() {
    let rules = Rules { when_full: WhenFull::BestEffort, ..Rules::default() };
    let mut balancer = Balancer::new(settings(rules), &[loaded(100, 100), loaded(150, 100)]);
    let excluded = [balancer.snapshot.edges[0].id];
    let query = SelectionQuery { excluded: &excluded, ..SelectionQuery::default() };
    assert_eq!(balancer.assign_for(&query, at(0)), Ok((2, Reason::BestEffort)));
}

#[test]
fn a_cancelled_assignment_leaves_no_trace() {
    let mut balancer = Balancer::new(FleetSettings::default(), &[loaded(50, 100)]);
    let edge = Arc::clone(&balancer.snapshot.edges[0]);
    let utilisation = || edge.load.expect(&balancer.snapshot.forecast(at(100))).unwrap().utilisation;
    let before = utilisation();
    edge.load.assign(at(0));
    assert!(utilisation() > before);
    edge.load.cancel_assignment(at(0));
    assert_eq!((utilisation(), edge.load.assignments(), edge.load.assignments_since_report()), (before, 0, 0));

    // An assignment that the last report is assumed to include.
    edge.load.assign(at(0));
    edge.apply(&loaded(50, 100), at(2500).into(), &FleetSettings::default(), 0.0);
    edge.load.cancel_assignment(at(0));
    assert_eq!((edge.load.assignments(), edge.load.assignments_since_report()), (0, 0));
    assert_eq!(balancer.assign(), 1);
}
