//! What a choice promises, whatever the fleet looks like.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use weir_protocol::report::{Endpoint, Status};
use weir_protocol::{EdgeId, Report};

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

/// An edge with so many of at most so many connections.
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

/// A balancer of its own: what it knows, and how it chooses.
struct Balancer {
    snapshot: Snapshot,
    selector: Selector,
    random: u64,
}

impl Balancer {
    fn new(settings: FleetSettings, reports: &[Report<'_>]) -> Self {
        Self { snapshot: snapshot_on(&settings, reports), selector: Selector::new(settings, []), random: 0 }
    }

    fn pick_for(&mut self, request: &SelectionQuery<'_>, now: Time) -> Result<(u8, Reason), Refusal> {
        self.random += 1;
        self.selector.assign(&self.snapshot, request, now, self.random).map(|choice| match choice {
            Choice::Edge(edge, reason) => (edge.id.0[0], reason),
            Choice::Overflow => (0, Reason::Overflow),
        })
    }

    /// The edge, counted from 1, or 0 for nobody.
    fn assign(&mut self) -> u8 {
        self.pick_for(&SelectionQuery::default(), at(0)).map_or(0, |(edge, _)| edge)
    }

    fn picks(&mut self, count: usize) -> Vec<u32> {
        let mut picks = vec![0; self.snapshot.edges.len()];
        for _ in 0..count {
            picks[usize::from(self.assign()) - 1] += 1;
        }
        picks
    }
}

fn of_stream(stream: u64) -> SelectionQuery<'static> {
    SelectionQuery { stream: Some(stream), ..SelectionQuery::default() }
}

#[test]
fn the_least_utilised_edge_gets_the_client_whatever_its_size() {
    assert_eq!(
        Balancer::new(FleetSettings::default(), &[loaded(30, 100), loaded(40, 200), loaded(50, 100)]).assign(),
        2
    );
}

#[test]
fn whichever_limit_is_nearest_counts() {
    let mut wide = loaded(10, 100);
    wide.load.out_bits_per_second = Some(900_000_000);
    wide.capacity.bits_per_second = Some(1_000_000_000);
    let mut hot = loaded(10, 100);
    hot.load.utilisations.push(("gpu", 0.8));
    assert_eq!(Balancer::new(FleetSettings::default(), &[wide.clone(), hot.clone(), loaded(70, 100)]).assign(), 3);
    assert_eq!(Balancer::new(by(Policy::LeastConnections), &[wide.clone(), loaded(70, 100)]).assign(), 1);
    let mut idle = loaded(70, 100);
    idle.load.out_bits_per_second = Some(1_000_000);
    assert_eq!(Balancer::new(by(Policy::LeastBandwidth), &[wide, idle]).assign(), 2);
}

#[test]
fn processors_count_only_when_a_limit_is_set() {
    let mut busy = loaded(10, 100);
    busy.load.cpu = Some(0.95);
    let edges = [busy, loaded(50, 100)];
    assert_eq!(Balancer::new(FleetSettings::default(), &edges).assign(), 1);
    let limited = settings(Rules { cpu_limit: Some(0.9), ..Rules::default() });
    assert_eq!(Balancer::new(limited, &edges).assign(), 2);
}

#[test]
fn a_crowd_between_two_reports_is_spread() {
    let edges = [loaded(0, 100), loaded(10, 100), loaded(20, 100)];
    assert_eq!(Balancer::new(FleetSettings::default(), &edges).picks(60), [30, 20, 10], "all have 30 in the end");
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
fn a_full_edge_gets_nobody_until_it_is_well_below_its_limit() {
    let mut balancer = Balancer::new(FleetSettings::default(), &[loaded(98, 100)]);
    assert_eq!([(); 3].map(|()| balancer.assign()), [1, 1, 0]);
    assert_eq!(balancer.pick_for(&SelectionQuery::default(), at(0)), Err(Refusal::Full));
    let settings = FleetSettings::default();
    let heard = |connections: u64, milliseconds: u64| {
        balancer.snapshot.edges[0].update(&loaded(connections, 100), at(milliseconds).into(), &settings, 0.0);
        balancer.snapshot.edges[0].load.is_full()
    };
    assert!(heard(100, 2000) && heard(96, 4000), "not yet");
    assert!(!heard(94, 6000));
}

#[test]
fn when_all_are_full_a_client_goes_elsewhere_or_gets_the_least_utilised_or_nothing() {
    let edges = [loaded(110, 100), loaded(105, 100)];
    assert_eq!(
        Balancer::new(FleetSettings::default(), &edges).pick_for(&SelectionQuery::default(), at(0)),
        Err(Refusal::Full)
    );
    let best_effort = settings(Rules { when_full: WhenFull::BestEffort, ..Rules::default() });
    let mut balancer = Balancer::new(best_effort.clone(), &edges);
    assert_eq!(balancer.pick_for(&SelectionQuery::default(), at(0)), Ok((2, Reason::BestEffort)));
    balancer.selector = Selector::new(best_effort, [Protocol::Http]);
    let http = SelectionQuery { protocol: Some(Protocol::Http), ..SelectionQuery::default() };
    assert_eq!(balancer.pick_for(&http, at(0)), Ok((0, Reason::Overflow)));
    let rtmp = SelectionQuery { protocol: Some(Protocol::Rtmp), ..SelectionQuery::default() };
    assert_eq!(balancer.pick_for(&rtmp, at(0)), Ok((2, Reason::BestEffort)), "no place elsewhere for this protocol");
}

#[test]
fn the_older_a_report_the_less_an_edge_is_trusted() {
    let mut quick = loaded(10, 100);
    quick.interval = Duration::from_secs(1);
    let steady = loaded(20, 100);
    let mut balancer = Balancer::new(FleetSettings::default(), &[quick, steady]);
    let mut at_age = |milliseconds| balancer.pick_for(&SelectionQuery::default(), at(milliseconds)).unwrap().0;
    assert_eq!([2000, 3500, 4001].map(&mut at_age), [1, 2, 2]);
    assert_eq!(
        balancer.pick_for(&SelectionQuery::default(), at(5000)).unwrap().0,
        2,
        "fresh for two of its own intervals"
    );
    assert!(balancer.pick_for(&SelectionQuery::default(), at(5001)).is_err());
}

#[test]
fn without_edges_or_anybody_for_the_client_the_refusal_says_why() {
    let refusal = |reports: &[Report<'_>], request: &SelectionQuery<'_>| {
        let zones = Zones::new(vec![zone("eu", &[]), zone("us", &[])]).unwrap();
        let settings = FleetSettings { zones: Arc::new(zones), ..FleetSettings::default() };
        Balancer::new(settings, reports).pick_for(request, at(0)).unwrap_err()
    };
    let mut paused = report();
    paused.status = Status::Paused;
    let mut rtmp_only = report();
    rtmp_only.endpoints.push(Endpoint { scheme: "rtmp", host: None, port: 1935 });
    let mut american = report();
    american.zone = Some("us");
    let anybody = SelectionQuery::default();
    assert_eq!(refusal(&[], &anybody), Refusal::NoEdge);
    assert_eq!(refusal(&[paused], &anybody), Refusal::NoneAvailable);
    let rtsp = SelectionQuery { protocol: Some(Protocol::Rtsp), ..anybody };
    assert_eq!(refusal(&[rtmp_only], &rtsp), Refusal::ProtocolNotServed);
    let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..anybody };
    assert_eq!(refusal(&[american], &european), Refusal::ZoneNotServed);
}

fn zone(name: &str, spill: &[&str]) -> ZoneDefinition {
    let spill = spill.iter().map(|name| (*name).to_owned()).collect();
    ZoneDefinition { name: name.to_owned(), spill, ..ZoneDefinition::default() }
}

#[test]
fn a_client_stays_in_its_zone_and_spills_in_the_order_that_is_configured() {
    let zones = Zones::new(vec![zone("eu", &["us", "*"]), zone("us", &["*"]), zone("asia", &[])]).unwrap();
    let settings = FleetSettings { zones: Arc::new(zones), ..FleetSettings::default() };
    let edge = |zone, connections| Report { zone, ..loaded(connections, 100) };
    let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..SelectionQuery::default() };
    let pick = |edges: &[Report<'_>]| Balancer::new(settings.clone(), edges).pick_for(&european, at(0));
    assert_eq!(pick(&[edge(Some("us"), 0), edge(Some("eu"), 90)]), Ok((2, Reason::Policy)));
    assert_eq!(pick(&[edge(Some("us"), 90), edge(None, 0)]), Ok((2, Reason::Policy)), "at home everywhere");
    assert_eq!(pick(&[edge(Some("asia"), 0), edge(Some("us"), 90)]), Ok((2, Reason::SpillZone)));
    assert_eq!(pick(&[edge(Some("asia"), 0), edge(Some("eu"), 100)]), Ok((1, Reason::SpillZone)), "any other");
    let asian = SelectionQuery { zone: Some(ZoneId::at(2)), ..SelectionQuery::default() };
    assert!(Balancer::new(settings.clone(), &[edge(Some("eu"), 0)]).pick_for(&asian, at(0)).is_err());
}

#[test]
fn viewers_of_a_stream_stay_together_while_the_load_allows() {
    let affine = settings(Rules { affinity: true, ..Rules::default() });
    let edges: Vec<_> = (0..20).map(|_| loaded(500, 1000)).collect();
    let mut balancer = Balancer::new(affine, &edges);
    balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.5, 0.5));
    let (first, reason) = balancer.pick_for(&of_stream(7), at(0)).unwrap();
    assert_eq!(reason, Reason::AffinityHash);
    for _ in 0..12 {
        assert_eq!(balancer.pick_for(&of_stream(7), at(0)), Ok((first, Reason::AffinityWarm)));
    }
    let mut second = (first, Reason::AffinityWarm);
    for _ in 0..10 {
        second = balancer.pick_for(&of_stream(7), at(0)).unwrap();
        if second.0 != first {
            break;
        }
    }
    assert_ne!(second.0, first, "busier than the others by 2 % and four clients");
    assert_eq!(second.1, Reason::AffinityHash);
    assert_eq!(balancer.pick_for(&SelectionQuery::default(), at(0)).unwrap().1, Reason::Policy, "no stream named");
}

#[test]
fn a_new_edge_gets_few_streams_at_first() {
    let affine = settings(Rules { affinity: true, ..Rules::default() });
    let edges: Vec<_> = std::iter::once(loaded(0, 1000)).chain((0..20).map(|_| loaded(500, 1000))).collect();
    let mut balancer = Balancer::new(affine, &edges);
    balancer.snapshot.edges[0].load.ramp_from(at(1));
    // Of all edges only the new one is not busier than this.
    balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.45, 0.0));
    let mut got = [0_u32; 22];
    for stream in 0..1000 {
        got[usize::from(balancer.pick_for(&of_stream(mix(stream)), at(0)).unwrap().0)] += 1;
    }
    assert!((80..250).contains(&got[1]), "a tenth of the streams, and some by policy: {}", got[1]);
}

#[test]
fn an_edge_that_named_a_foreign_host_gets_nobody_by_affinity_either() {
    let limits = RedirectLimits { hosts: vec!["example".to_owned()], networks: Vec::new() };
    let settings =
        FleetSettings { limits, rules: Rules { affinity: true, ..Rules::default() }, ..FleetSettings::default() };
    let named = |host| Report { redirect: weir_protocol::Host::new(host).ok(), ..loaded(1, 1000) };
    let mut balancer = Balancer::new(settings, &[named("evil.test"), named("edge.example")]);
    balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.5, 0.5));
    balancer.selector.note_stream(7, 0, at(0));
    // What it names now is allowed, and what it named in this snapshot is not.
    balancer.snapshot.edges[0].load.allow(true);
    assert_eq!(balancer.pick_for(&of_stream(7), at(0)).unwrap().0, 2);
}

#[test]
fn even_when_all_is_full_a_client_stays_where_its_zone_allows() {
    let zones = Zones::new(vec![zone("eu", &[]), zone("us", &[])]).unwrap();
    let rules = Rules { when_full: WhenFull::BestEffort, ..Rules::default() };
    let settings = FleetSettings { zones: Arc::new(zones), rules, ..FleetSettings::default() };
    let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..SelectionQuery::default() };
    let edge = |zone, connections| Report { zone: Some(zone), ..loaded(connections, 100) };
    let mut balancer = Balancer::new(settings.clone(), &[edge("us", 0), edge("eu", 100)]);
    assert_eq!(balancer.pick_for(&european, at(0)), Ok((2, Reason::BestEffort)));
    let strict = FleetSettings { rules: Rules::default(), ..settings };
    let mut balancer = Balancer::new(strict, &[edge("us", 0), edge("eu", 100)]);
    assert_eq!(balancer.pick_for(&european, at(0)), Err(Refusal::Full));
}

#[test]
fn round_robin_takes_turns_by_weight() {
    let edges = [weighted(1.0), weighted(2.0), weighted(0.5)];
    assert_eq!(Balancer::new(by(Policy::RoundRobin), &edges).picks(70), [20, 40, 10]);
    let mut equal = Balancer::new(by(Policy::RoundRobin), &[report(), report(), report()]);
    assert_eq!([(); 6].map(|()| equal.assign()), [1, 2, 3, 1, 2, 3]);
}

#[test]
fn wowza_takes_the_fewest_connections_and_of_equals_the_first() {
    let edges = [loaded(3, 100), loaded(1, 2), loaded(2, 1000)];
    let mut balancer = Balancer::new(by(Policy::Wowza), &edges);
    assert_eq!([(); 5].map(|()| balancer.assign()), [2, 3, 1, 3, 1], "the second is full at two");
}

#[test]
fn a_new_edge_is_reached_by_few_at_first() {
    let edges: Vec<_> = std::iter::once(loaded(0, 1000)).chain((0..20).map(|_| loaded(500, 1000))).collect();
    let mut balancer = Balancer::new(FleetSettings::default(), &edges);
    balancer.snapshot.edges[0].load.ramp_from(at(1));
    let at_once = balancer.picks(1000)[0];
    assert!((5..=50).contains(&at_once), "a tenth of four times its share of 48: {at_once}");
    let mut small = Balancer::new(FleetSettings::default(), &edges[..3]);
    small.snapshot.edges[0].load.ramp_from(at(1));
    let at_once = small.picks(1000)[0];
    assert!((60..=140).contains(&at_once), "one in ten: {at_once}");
}

/// A fleet of any kind, and which of its edges can take an HTTP client of zone 0.
fn fleets() -> impl Strategy<Value = Vec<(Report<'static>, bool)>> {
    let edge = (0_u8..4, 0_u64..120, 0_usize..3, 0_usize..4, any::<bool>());
    prop::collection::vec(edge, 0..40).prop_map(|edges| {
        let make = |(status, connections, zone, scheme, far): (u8, u64, usize, usize, bool)| {
            let mut report = loaded(connections, 100);
            report.status = Status::try_from(status).unwrap();
            report.zone = [None, Some("home"), Some("away")][zone];
            if let Some(scheme) = ["http", "https", "rtmp"].get(scheme) {
                report.endpoints.push(Endpoint { scheme, host: None, port: 1 });
            }
            report.redirect = weir_protocol::Host::new(if far { "edge.elsewhere" } else { "edge.example" }).ok();
            let will_do = status == 0 && connections < 100 && zone != 2 && scheme != 2 && !far;
            (report, will_do)
        };
        edges.into_iter().map(make).collect()
    })
}

proptest! {
    #[test]
    fn no_paused_draining_full_foreign_or_disallowed_edge_is_ever_chosen_and_one_that_will_do_always_is(
        fleet in fleets(), policy in prop::sample::select(&Policy::ALL[..]), affinity in any::<bool>(),
        stream in prop::option::of(any::<u64>()), random in any::<u64>(),
    ) {
        let limits = RedirectLimits { hosts: vec!["example".to_owned()], networks: Vec::new() };
        let zones = Arc::new(Zones::new(vec![zone("home", &[])]).unwrap());
        let settings = FleetSettings { limits, zones, rules: Rules { policy, affinity, ..Rules::default() } };
        let reports: Vec<_> = fleet.iter().map(|(report, _)| report.clone()).collect();
        let mut balancer = Balancer::new(settings, &reports);
        balancer.snapshot.pools.distinct().for_each(|pool| pool.set_utilisation(0.5, 0.1));
        balancer.random = random;
        let request = SelectionQuery { protocol: Some(Protocol::Http), zone: Some(ZoneId::at(0)), stream, client: random, not: &[] };
        let some_will_do = fleet.iter().any(|(_, will_do)| *will_do);
        let picked = balancer.pick_for(&request, at(5000));
        prop_assert_eq!(picked.is_ok(), some_will_do);
        if let Ok((edge, _)) = picked {
            prop_assert!(fleet[usize::from(edge) - 1].1, "edge {}", edge);
        }
        prop_assert!(balancer.pick_for(&request, at(5001)).is_err(), "all are silent for too long");
    }

    #[test]
    fn shares_follow_the_weights(weights in prop::collection::vec(0.5_f32..8.0, 2..30)) {
        let reports: Vec<_> = weights.iter().map(|weight| weighted(*weight)).collect();
        let total: f32 = weights.iter().sum();
        for policy in [Policy::LeastUtilised, Policy::LeastConnections, Policy::Random] {
            let picks = Balancer::new(by(policy), &reports).picks(10_000);
            for (weight, picks) in weights.iter().zip(picks) {
                let expected = weight / total * 10_000.0;
                // Random choices are off by six standard deviations once in half a billion; the others correct themselves.
                let allowed = if policy == Policy::Random { 6.0 * expected.sqrt() } else { 20.0 };
                prop_assert!((picks as f32 - expected).abs() <= allowed, "{:?}: {} of {}", policy, picks, expected);
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
        let removed = one.pick_for(&of_stream(streams[0]), at(0)).unwrap().0;
        let mut paused = reports.clone();
        paused[usize::from(removed) - 1].status = Status::Paused;
        let mut without = Balancer::new(by(Policy::Hash), &paused);
        let mut elsewhere = BTreeSet::new();
        for stream in streams {
            let home = one.pick_for(&of_stream(stream), at(0)).unwrap().0;
            prop_assert_eq!(other.pick_for(&of_stream(stream), at(0)).unwrap().0, home);
            let now = without.pick_for(&of_stream(stream), at(0)).unwrap().0;
            if home == removed { elsewhere.insert(now); } else { prop_assert_eq!(now, home); }
        }
        prop_assert!(!elsewhere.contains(&removed));
    }
}

#[test]
fn edges_that_are_passed_over_get_nobody_and_the_others_do() {
    let rules = Policy::ALL.into_iter().flat_map(|policy| [(policy, false), (policy, true)]);
    // Few edges are all looked at, and of many some are drawn.
    for ((policy, affinity), count) in rules.flat_map(|rules| [(rules, 3), (rules, 40)]) {
        let reports = vec![loaded(1, 100); count];
        let settings = settings(Rules { policy, affinity, ..Rules::default() });
        let mut balancer = Balancer::new(settings, &reports);
        let not: Vec<EdgeId> = balancer.snapshot.edges.iter().skip(2).map(|edge| edge.id).collect();
        for stream in 0..50 {
            let request =
                SelectionQuery { stream: Some(stream), client: stream, not: &not, ..SelectionQuery::default() };
            let (edge, _) = balancer.pick_for(&request, at(0)).unwrap();
            assert!(edge <= 2, "{policy:?}, affinity {affinity}: {edge} of {count}");
        }
        let not: Vec<EdgeId> = balancer.snapshot.edges.iter().map(|edge| edge.id).collect();
        let nobody = SelectionQuery { stream: Some(1), not: &not, ..SelectionQuery::default() };
        assert!(balancer.pick_for(&nobody, at(0)).is_err(), "{policy:?}, affinity {affinity}");
        // What one client cannot reach says nothing to another.
        assert!(balancer.pick_for(&SelectionQuery::default(), at(0)).is_ok(), "{policy:?}, affinity {affinity}");
    }
}

#[test]
fn full_edges_are_passed_over_too() {
    let rules = Rules { when_full: WhenFull::BestEffort, ..Rules::default() };
    let mut balancer = Balancer::new(settings(rules), &[loaded(100, 100), loaded(150, 100)]);
    let not = [balancer.snapshot.edges[0].id];
    let request = SelectionQuery { not: &not, ..SelectionQuery::default() };
    assert_eq!(balancer.pick_for(&request, at(0)), Ok((2, Reason::BestEffort)));
}

#[test]
fn a_client_that_is_taken_back_leaves_no_trace() {
    let mut balancer = Balancer::new(FleetSettings::default(), &[loaded(50, 100)]);
    let edge = Arc::clone(&balancer.snapshot.edges[0]);
    let utilisation = || edge.load.expect(&balancer.snapshot.forecast(at(100))).unwrap().utilisation;
    let before = utilisation();
    edge.load.assign(at(0));
    assert!(utilisation() > before);
    edge.load.cancel_assignment(at(0));
    assert_eq!((utilisation(), edge.load.assignments(), edge.load.assignments_since_report()), (before, 0, 0));

    // One that the last report was taken to include.
    edge.load.assign(at(0));
    edge.update(&loaded(50, 100), at(2500).into(), &FleetSettings::default(), 0.0);
    edge.load.cancel_assignment(at(0));
    assert_eq!((edge.load.assignments(), edge.load.assignments_since_report()), (0, 0));
    assert_eq!(balancer.assign(), 1);
}
