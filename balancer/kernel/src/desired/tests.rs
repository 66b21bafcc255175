use proptest::prelude::*;
use weir_fleet::testing::{at, id};

use super::*;
use crate::candidates::{Failure, Unmeasured};
use crate::config::tests::parse_groups;
use crate::netlink::ipvs::ListedDestination;

const UP: Condition = Condition::Unmeasured(Unmeasured::NoAgent);

fn failed() -> Condition {
    Condition::Failed(Failure::Silent)
}

fn group(lines: &str) -> Group {
    let text = format!(
        "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\ndrain = \"60s\"\n{lines}"
    );
    parse_groups(&text).remove(0)
}

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// A group with a kernel that does what is decided.
struct Site {
    decider: Decider,
    kernel: Snapshot,
}

impl Site {
    fn new(lines: &str) -> Self {
        Self { decider: Decider::new(group(lines), Duration::from_secs(30)), kernel: Snapshot::default() }
    }

    /// Decides for servers 1, 2, … in these conditions; each has one connection while it has weight.
    fn decide<const COUNT: usize>(&mut self, seconds: u64, conditions: [Condition; COUNT]) -> Decision {
        self.decide_of(seconds, true, (1..).zip(conditions).collect(), 1)
    }

    fn decide_of(
        &mut self,
        seconds: u64,
        is_settled: bool,
        conditions: BTreeMap<u8, Condition>,
        connections: u32,
    ) -> Decision {
        let method = self.decider.group().method;
        let edge = Some(id(7));
        let candidate = |condition| Candidate { method, base: 100, edge, condition };
        let candidates =
            conditions.into_iter().map(|(last, condition)| (address(last), candidate(condition))).collect();
        let view = View { now: at(1000 * seconds), candidates: &candidates, kernel: &self.kernel, is_settled };
        let decision = self.decider.decide(&view);
        let listed = |(server, destination): (&Server, &Destination)| ListedDestination {
            server: *server,
            destination: *destination,
            active: connections,
            inactive: 0,
            persistent: 0,
            counters: Default::default(),
        };
        let of = |service: &VirtualService| service.destinations.iter().map(listed).collect();
        self.kernel.destinations = decision.table.iter().map(|(key, service)| (*key, of(service))).collect();
        decision
    }
}

/// Last bytes of addresses with their weights.
fn weights(decision: &Decision) -> Vec<(u8, u32)> {
    let service = decision.table.values().next().unwrap();
    let last = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => unreachable!(),
    };
    service.destinations.iter().map(|(server, to)| (last(server.address), to.weight)).collect()
}

fn says_sorry(decision: &Decision) -> bool {
    decision.standings[&Family::V4].is_sorry
}

#[test]
fn failed_servers_are_deleted_and_drained_ones_emptied() {
    let mut site = Site::new("edges = true");
    assert_eq!(weights(&site.decide(0, [UP, UP, UP])), [(1, 100), (2, 100), (3, 100)]);
    let draining = Condition::Drained(None);
    assert_eq!(weights(&site.decide(1, [failed(), draining.clone(), UP])), [(2, 0), (3, 100)]);
    assert_eq!(weights(&site.decide(60, [failed(), draining.clone(), UP])), [(2, 0), (3, 100)]);
    assert_eq!(weights(&site.decide(61, [failed(), draining.clone(), UP])), [(3, 100)], "the time is up");
    assert_eq!(weights(&site.decide(600, [failed(), draining, UP])), [(3, 100)], "it stays away");
    assert_eq!(weights(&site.decide(700, [UP, UP, UP])), [(1, 10), (2, 10), (3, 100)], "they are new");
}

#[test]
fn a_drained_server_without_connections_goes_once_it_takes_no_more() {
    let mut site = Site::new("edges = true");
    let draining = Condition::Drained(Some(at(3_600_000)));
    site.decide_of(0, true, BTreeMap::from([(1, UP), (2, UP)]), 0);
    let drained = BTreeMap::from([(1, draining), (2, UP)]);
    assert_eq!(weights(&site.decide_of(1, true, drained.clone(), 0)), [(1, 0), (2, 100)]);
    assert_eq!(weights(&site.decide_of(3, true, drained, 0)), [(2, 100)]);
}

#[test]
fn a_paused_server_stays_without_weight() {
    let mut site = Site::new("edges = true");
    site.decide(0, [UP, UP]);
    assert_eq!(weights(&site.decide(5000, [Condition::Paused, UP])), [(1, 0), (2, 100)]);
}

#[test]
fn a_drain_that_ends_in_a_pause_ends_and_a_pause_ahead_of_that_does_not() {
    let mut site = Site::new("edges = true");
    let draining = Condition::Drained(Some(at(60_000)));
    site.decide(0, [UP, UP]);
    assert_eq!(weights(&site.decide(1, [draining.clone(), UP])), [(1, 0), (2, 100)]);
    assert_eq!(weights(&site.decide(60, [Condition::Paused, UP])), [(2, 100)], "the time is up");
    assert_eq!(weights(&site.decide(90, [Condition::Paused, UP])), [(2, 100)], "it stays away");
    assert_eq!(weights(&site.decide(95, [UP, UP])), [(1, 10), (2, 100)], "it is new");

    let mut site = Site::new("edges = true");
    site.decide(0, [UP, UP]);
    site.decide(1, [draining, UP]);
    assert_eq!(weights(&site.decide(30, [Condition::Paused, UP])), [(1, 0), (2, 100)], "those who are there may stay");
    assert_eq!(weights(&site.decide(90, [Condition::Paused, UP])), [(1, 0), (2, 100)]);
}

#[test]
fn a_server_that_nobody_knows_any_more_is_drained() {
    let mut site = Site::new("edges = true");
    site.decide(0, [UP, UP]);
    assert_eq!(weights(&site.decide(1, [UP])), [(1, 100), (2, 0)]);
    assert_eq!(weights(&site.decide(61, [UP])), [(1, 100)]);
}

#[test]
fn what_is_there_at_the_start_is_gone_on_with() {
    let mut before = Site::new("edges = true");
    before.decide(0, [Condition::Utilised(0.6), UP]);
    let kernel = before.kernel.clone();
    let mut site = Site { kernel, ..Site::new("edges = true") };
    assert_eq!(weights(&site.decide_of(0, false, BTreeMap::new(), 1)), [(1, 40), (2, 100)], "no edge was heard yet");
    let one = BTreeMap::from([(1, Condition::Utilised(0.6))]);
    assert_eq!(weights(&site.decide_of(1, false, one.clone(), 1)), [(1, 40), (2, 100)]);
    assert_eq!(weights(&site.decide_of(10, true, one, 1)), [(1, 40), (2, 0)], "the other will not be heard");
}

#[test]
fn a_balancer_that_hears_nobody_goes_on_with_what_is_there() {
    let mut before = Site::new("edges = true");
    before.decide(0, [Condition::Utilised(0.6), UP]);
    let mut site = Site { kernel: before.kernel, ..Site::new("edges = true") };
    for seconds in [0, 10, 3600] {
        assert_eq!(weights(&site.decide_of(seconds, true, BTreeMap::new(), 1)), [(1, 40), (2, 100)], "{seconds}");
    }
    let one = BTreeMap::from([(2, UP)]);
    assert_eq!(weights(&site.decide_of(3601, true, one, 1)), [(1, 0), (2, 100)], "others are heard by now");
}

#[test]
fn a_restart_moves_no_weight_before_load_is_known() {
    let mut before = Site::new("edges = true");
    before.decide(0, [Condition::Utilised(0.6), UP]);
    let kernel = before.kernel;
    let mut site = Site { kernel, ..Site::new("edges = true") };
    for seconds in 0..5 {
        let unchecked = BTreeMap::from([(1, Condition::Awaited), (2, Condition::Awaited)]);
        assert_eq!(weights(&site.decide_of(seconds, false, unchecked, 1)), [(1, 40), (2, 100)]);
    }
    for seconds in 5..9 {
        let unheard = BTreeMap::from([(1, UP), (2, UP)]);
        assert_eq!(weights(&site.decide_of(seconds, false, unheard, 1)), [(1, 40), (2, 100)]);
    }
    assert_eq!(weights(&site.decide(10, [Condition::Utilised(0.9), UP])), [(1, 20), (2, 100)], "halved at most");
}

#[test]
fn a_server_that_was_not_checked_yet_comes_once_it_is_or_stays_if_it_was_there() {
    let mut site = Site::new("edges = true");
    assert_eq!(weights(&site.decide(0, [UP, Condition::Awaited])), [(1, 100)]);
    let kernel = site.kernel.clone();
    let mut again = Site { kernel, ..Site::new("edges = true") };
    assert_eq!(weights(&again.decide(0, [Condition::Awaited, Condition::Awaited])), [(1, 100)]);
}

#[test]
fn of_servers_that_were_there_from_the_start_none_is_new() {
    let mut site = Site::new("edges = true");
    site.decide(0, [UP, Condition::Awaited]);
    assert_eq!(weights(&site.decide(1, [UP, UP])), [(1, 100), (2, 100)]);
    assert_eq!(weights(&site.decide(2, [UP, UP, UP])), [(1, 100), (2, 100), (3, 10)], "a tenth, for one that joins");
}

const SORRY: &str = "edges = true\nsorry_server = \"10.0.0.9\"\nquorum = 2\nhysteresis = 1";

#[test]
fn the_sorry_server_takes_over_below_the_quorum_and_goes_above_it() {
    let mut site = Site::new(SORRY);
    assert_eq!(weights(&site.decide(0, [UP, UP, UP])), [(1, 100), (2, 100), (3, 100)]);
    assert_eq!(weights(&site.decide(2, [UP, UP, failed()])), [(1, 100), (2, 100)], "two are a quorum");
    assert_eq!(weights(&site.decide(4, [UP, failed(), failed()])), [(1, 0), (9, 1)], "who is up keeps its clients");
    assert_eq!(weights(&site.decide(6, [UP, UP, failed()])), [(1, 0), (2, 0), (9, 1)], "two are not enough to go");
    let back = site.decide(8, [UP, UP, UP]);
    assert!(!says_sorry(&back));
    assert_eq!(weights(&back)[3], (9, 0), "it keeps its clients until they have left");
    assert_eq!(weights(&site.decide(68, [UP, UP, UP])).len(), 3);
}

#[test]
fn the_sorry_server_is_there_before_the_last_real_one_goes() {
    let mut site = Site::new("edges = true\nsorry_server = \"10.0.0.9\"");
    site.decide(0, [UP]);
    assert_eq!(weights(&site.decide(2, [failed()])), [(9, 1)], "the plan adds before it deletes");
}

#[test]
fn nobody_says_sorry_before_it_is_known_how_things_are() {
    let mut site = Site::new(&format!("{SORRY}\n[kernel.service.check]\n"));
    assert_eq!(weights(&site.decide_of(0, false, BTreeMap::new(), 1)), []);
    assert_eq!(weights(&site.decide(1, [Condition::Awaited, Condition::Awaited])), []);
    assert_eq!(weights(&site.decide(2, [failed(), failed()])), [(9, 1)]);
}

const CHECKED: &str = "edges = true\nsorry_server = \"10.0.0.9\"\n[kernel.service.check]\nkind = \"tcp\"\nfall = 3\n\
                       timeout = \"3s\"\nfast_interval = \"1s\"";

#[test]
fn nobody_waits_for_ever_for_a_server_that_cannot_be_checked() {
    let mut site = Site::new(CHECKED);
    assert!(!says_sorry(&site.decide(0, [failed(), Condition::Awaited])));
    assert!(!says_sorry(&site.decide(12, [failed(), Condition::Awaited])), "three times 3 and 1 s");
    assert!(says_sorry(&site.decide(13, [failed(), Condition::Awaited])));
}

#[test]
fn a_server_that_cannot_be_checked_does_not_make_others_old() {
    let mut site = Site::new(CHECKED);
    assert_eq!(weights(&site.decide(0, [UP, Condition::Awaited])), [(1, 100)]);
    assert_eq!(weights(&site.decide(13, [UP, Condition::Awaited])), [(1, 100)]);
    let later = [UP, Condition::Awaited, UP];
    assert_eq!(weights(&site.decide(60, later)), [(1, 100), (3, 10)], "it is new");
}

#[test]
fn a_sorry_server_stays_while_those_that_were_there_take_nobody() {
    let mut before = Site::new(CHECKED);
    before.decide(0, [UP]);
    assert_eq!(weights(&before.decide(1, [Condition::Drained(None)])), [(1, 0), (9, 1)]);
    let mut site = Site { kernel: before.kernel, ..Site::new(CHECKED) };
    assert_eq!(weights(&site.decide(0, [Condition::Awaited])), [(1, 0), (9, 1)]);
}

#[test]
fn a_sorry_server_that_comes_back_may_keep_its_clients_anew() {
    let mut site = Site::new("edges = true\nsorry_server = \"10.0.0.9\"");
    site.decide(0, [UP]);
    site.decide(2, [failed()]);
    assert_eq!(weights(&site.decide(10, [UP])), [(1, 100), (9, 0)]);
    assert_eq!(weights(&site.decide(40, [failed()])), [(9, 1)]);
    assert_eq!(weights(&site.decide(80, [UP]))[1], (9, 0), "for a minute from now, not from the first time");
    assert_eq!(weights(&site.decide(130, [UP])).len(), 2);
    assert_eq!(weights(&site.decide(141, [UP])).len(), 1);
}

#[test]
fn each_family_has_its_quorum_and_its_sorry_server() {
    let text = "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\", \"2001:db8::10\"]\ntcp = [\"554\"]\n\
                edges = true\nsorry_server = [\"10.0.0.9\", \"2001:db8::9\"]\n";
    let group = parse_groups(text).remove(0);
    let (four, six): (IpAddr, IpAddr) = (address(1), "2001:db8::1".parse().unwrap());
    let method = group.method;
    let mut decider = Decider::new(group, Duration::ZERO);
    let mut decide = |seconds: u64, of_six: Condition| {
        let of = |condition| Candidate { method, base: 100, edge: Some(id(7)), condition };
        let candidates = BTreeMap::from([(four, of(UP)), (six, of(of_six))]);
        let kernel = Snapshot::default();
        decider.decide(&View { now: at(1000 * seconds), candidates: &candidates, kernel: &kernel, is_settled: true })
    };
    let both = decide(0, UP);
    assert_eq!(both.standings[&Family::V6], Standing { up: 1, is_sorry: false });
    let half = decide(1, failed());
    assert_eq!(half.standings[&Family::V4], Standing { up: 1, is_sorry: false });
    assert_eq!(half.standings[&Family::V6], Standing { up: 0, is_sorry: true });
    let servers: Vec<(IpAddr, u32)> = half
        .table
        .values()
        .flat_map(|service| service.destinations.iter().map(|(server, to)| (server.address, to.weight)))
        .collect();
    assert_eq!(servers, [(four, 100), ("2001:db8::9".parse().unwrap(), 1)]);
}

#[test]
fn directors_that_must_choose_alike_go_by_base_weights() {
    let of = |directors: &str| {
        let text = format!(
            "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\nscheduler = \"mh\"\n\
             edges = true\n{directors}"
        );
        let group = parse_groups(&text).remove(0);
        let decider = Decider::new(group, Duration::from_secs(30));
        let mut site = Site { decider, kernel: Snapshot::default() };
        site.decide(0, [UP]);
        weights(&site.decide(2, [UP, Condition::Utilised(0.6)]))
    };
    assert_eq!(of(""), [(1, 100), (2, 4)], "new, and busy");
    assert_eq!(of("[kernel.directors]\nsync_interface = \"eth0\""), [(1, 100), (2, 4)]);
    assert_eq!(of("[kernel.directors]"), [(1, 100), (2, 100)]);
}

#[test]
fn a_sorry_server_that_serves_at_the_start_goes_by_the_same_rule() {
    let mut before = Site::new(SORRY);
    before.decide(0, [failed(), failed(), failed()]);
    let mut site = Site { kernel: before.kernel.clone(), ..Site::new(SORRY) };
    assert!(says_sorry(&site.decide(0, [UP, UP, failed()])));
    assert!(!says_sorry(&site.decide(1, [UP, UP, UP])));
}

#[test]
fn at_first_every_configured_server_has_its_weight() {
    let group = group("[[kernel.service.server]]\naddress = \"10.0.0.1\"\nweight = 7\n");
    let table = at_first(&group);
    assert_eq!(table.values().next().unwrap().destinations[&Server::at(address(1))].weight, 7);
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => (0.0..1.2_f32).prop_map(Condition::Utilised),
        4 => Just(UP),
        1 => Just(Condition::Paused),
        2 => proptest::option::of(0..400_u64).prop_map(|until| Condition::Drained(until.map(|until| at(1000 * until)))),
        1 => Just(Condition::Awaited),
        3 => Just(failed()),
    ]
}

proptest! {
    #[test]
    fn whoever_can_serve_does_and_nobody_else(
        has_sorry in any::<bool>(),
        moments in proptest::collection::vec(
            (0..20_u64, proptest::collection::btree_map(1..6_u8, condition(), 0..6), 0..2_u32), 1..40),
    ) {
        let mut site = Site::new(if has_sorry { SORRY } else { "edges = true" });
        let mut now = 0;
        for (later, conditions, connections) in moments {
            now += later;
            let decision = site.decide_of(now, true, conditions.clone(), connections);
            let weights: BTreeMap<u8, u32> = weights(&decision).into_iter().collect();
            let up = conditions.values().filter(|condition| condition.is_up()).count();
            let is_live = weights.values().any(|weight| *weight > 0);
            prop_assert!(is_live || up == 0, "{:?} of {:?}", weights, conditions);
            let is_known = conditions.values().all(|condition| *condition != Condition::Awaited);
            prop_assert!(is_live || !has_sorry || !is_known, "{:?} of {:?}", weights, conditions);
            for (last, weight) in weights {
                match conditions.get(&last) {
                    Some(Condition::Failed(_)) => prop_assert!(false, "{} has failed", last),
                    Some(Condition::Drained(_) | Condition::Paused) => prop_assert_eq!(weight, 0),
                    Some(condition) if condition.is_up() => prop_assert_eq!(weight > 0, !says_sorry(&decision)),
                    None if last != 9 => prop_assert_eq!(weight, 0),
                    _ => {}
                }
            }
        }
    }
}
