use proptest::prelude::*;
use weir_fleet::testing::{at, id};

use super::*;
use crate::config::tests::parse_services;
use crate::netlink::ipvs::ListedDestination;
use crate::real_servers::{Failure, Unmeasured};

const UP: Condition = Condition::Unmeasured(Unmeasured::NoAgent);

fn failed() -> Condition {
    Condition::Failed(Failure::Silent)
}

fn service(lines: &str) -> VirtualService {
    let text = format!(
        "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\ndrain = \"60s\"\n{lines}"
    );
    parse_services(&text).remove(0)
}

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// A service with a kernel that applies its decisions.
struct Site {
    policy: ServicePolicy,
    kernel: Snapshot,
}

impl Site {
    fn new(lines: &str) -> Self {
        Self { policy: ServicePolicy::new(service(lines), Duration::from_secs(30)), kernel: Snapshot::default() }
    }

    /// Decides for servers 1, 2, … with these conditions; each has one connection.
    fn decide<const COUNT: usize>(&mut self, seconds: u64, conditions: [Condition; COUNT]) -> ServiceDecision {
        self.decide_of(seconds, true, (1..).zip(conditions).collect(), 1)
    }

    fn decide_of(
        &mut self,
        seconds: u64,
        is_settled: bool,
        conditions: BTreeMap<u8, Condition>,
        connections: u32,
    ) -> ServiceDecision {
        let method = self.policy.service().method;
        let edge = Some(id(7));
        let server = |condition| RealServer { method, base: 100, edge, condition };
        let servers = conditions.into_iter().map(|(last, condition)| (address(last), server(condition))).collect();
        let input = DecisionInput { now: at(1000 * seconds), servers: &servers, kernel: &self.kernel, is_settled };
        let decision = self.policy.decide(&input);
        let listed = |(server, destination): (&Server, &Destination)| ListedDestination {
            server: *server,
            destination: *destination,
            active: connections,
            inactive: 0,
            persistent: 0,
            counters: Default::default(),
        };
        let of = |service: &ServiceEntry| service.destinations.iter().map(listed).collect();
        self.kernel.destinations = decision.table.iter().map(|(key, service)| (*key, of(service))).collect();
        decision
    }
}

/// The weights by the last byte of the address.
fn weights(decision: &ServiceDecision) -> Vec<(u8, u32)> {
    let service = decision.table.values().next().unwrap();
    let last = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => unreachable!(),
    };
    service.destinations.iter().map(|(server, to)| (last(server.address), to.weight)).collect()
}

fn is_sorry_active(decision: &ServiceDecision) -> bool {
    decision.families[&Family::V4].is_sorry_active
}

#[test]
fn failed_servers_are_deleted_and_draining_ones_get_weight_0() {
    let mut site = Site::new("edges = true");
    assert_eq!(weights(&site.decide(0, [UP, UP, UP])), [(1, 100), (2, 100), (3, 100)]);
    let draining = Condition::Draining(None);
    assert_eq!(weights(&site.decide(1, [failed(), draining.clone(), UP])), [(2, 0), (3, 100)]);
    assert_eq!(weights(&site.decide(60, [failed(), draining.clone(), UP])), [(2, 0), (3, 100)]);
    assert_eq!(weights(&site.decide(61, [failed(), draining.clone(), UP])), [(3, 100)], "the deadline has passed");
    assert_eq!(weights(&site.decide(600, [failed(), draining, UP])), [(3, 100)], "it stays away");
    assert_eq!(weights(&site.decide(700, [UP, UP, UP])), [(1, 10), (2, 10), (3, 100)], "they ramp up");
}

#[test]
fn a_drained_server_is_deleted_once_it_has_no_connections() {
    let mut site = Site::new("edges = true");
    let draining = Condition::Draining(Some(at(3_600_000)));
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
fn a_pause_after_the_deadline_ends_a_drain_and_an_earlier_pause_keeps_the_server() {
    let mut site = Site::new("edges = true");
    let draining = Condition::Draining(Some(at(60_000)));
    site.decide(0, [UP, UP]);
    assert_eq!(weights(&site.decide(1, [draining.clone(), UP])), [(1, 0), (2, 100)]);
    assert_eq!(weights(&site.decide(60, [Condition::Paused, UP])), [(2, 100)], "the deadline has passed");
    assert_eq!(weights(&site.decide(90, [Condition::Paused, UP])), [(2, 100)], "it stays away");
    assert_eq!(weights(&site.decide(95, [UP, UP])), [(1, 10), (2, 100)], "it ramps up");

    let mut site = Site::new("edges = true");
    site.decide(0, [UP, UP]);
    site.decide(1, [draining, UP]);
    assert_eq!(weights(&site.decide(30, [Condition::Paused, UP])), [(1, 0), (2, 100)], "connections may continue");
    assert_eq!(weights(&site.decide(90, [Condition::Paused, UP])), [(1, 0), (2, 100)]);
}

#[test]
fn an_orphaned_server_is_drained() {
    let mut site = Site::new("edges = true");
    site.decide(0, [UP, UP]);
    assert_eq!(weights(&site.decide(1, [UP])), [(1, 100), (2, 0)]);
    assert_eq!(weights(&site.decide(61, [UP])), [(1, 100)]);
}

#[test]
fn servers_of_the_kernel_are_kept_at_the_start() {
    let mut before = Site::new("edges = true");
    before.decide(0, [Condition::Utilised(0.6), UP]);
    let kernel = before.kernel.clone();
    let mut site = Site { kernel, ..Site::new("edges = true") };
    assert_eq!(weights(&site.decide_of(0, false, BTreeMap::new(), 1)), [(1, 40), (2, 100)], "no edge has reported yet");
    let one = BTreeMap::from([(1, Condition::Utilised(0.6))]);
    assert_eq!(weights(&site.decide_of(1, false, one.clone(), 1)), [(1, 40), (2, 100)]);
    assert_eq!(weights(&site.decide_of(10, true, one, 1)), [(1, 40), (2, 0)], "the other edge had time to report");
}

#[test]
fn without_any_reports_the_servers_of_the_kernel_are_kept() {
    let mut before = Site::new("edges = true");
    before.decide(0, [Condition::Utilised(0.6), UP]);
    let mut site = Site { kernel: before.kernel, ..Site::new("edges = true") };
    for seconds in [0, 10, 3600] {
        assert_eq!(weights(&site.decide_of(seconds, true, BTreeMap::new(), 1)), [(1, 40), (2, 100)], "{seconds}");
    }
    let one = BTreeMap::from([(2, UP)]);
    assert_eq!(weights(&site.decide_of(3601, true, one, 1)), [(1, 0), (2, 100)], "other edges report");
}

#[test]
fn a_restart_changes_no_weight_before_the_load_is_known() {
    let mut before = Site::new("edges = true");
    before.decide(0, [Condition::Utilised(0.6), UP]);
    let kernel = before.kernel;
    let mut site = Site { kernel, ..Site::new("edges = true") };
    for seconds in 0..5 {
        let unchecked = BTreeMap::from([(1, Condition::Pending), (2, Condition::Pending)]);
        assert_eq!(weights(&site.decide_of(seconds, false, unchecked, 1)), [(1, 40), (2, 100)]);
    }
    for seconds in 5..9 {
        let unreported = BTreeMap::from([(1, UP), (2, UP)]);
        assert_eq!(weights(&site.decide_of(seconds, false, unreported, 1)), [(1, 40), (2, 100)]);
    }
    assert_eq!(weights(&site.decide(10, [Condition::Utilised(0.9), UP])), [(1, 20), (2, 100)], "halved at most");
}

#[test]
fn an_unchecked_server_is_added_after_its_first_check_but_kept_if_the_kernel_has_it() {
    let mut site = Site::new("edges = true");
    assert_eq!(weights(&site.decide(0, [UP, Condition::Pending])), [(1, 100)]);
    let kernel = site.kernel.clone();
    let mut again = Site { kernel, ..Site::new("edges = true") };
    assert_eq!(weights(&again.decide(0, [Condition::Pending, Condition::Pending])), [(1, 100)]);
}

#[test]
fn servers_of_the_first_decisions_do_not_ramp_up() {
    let mut site = Site::new("edges = true");
    site.decide(0, [UP, Condition::Pending]);
    assert_eq!(weights(&site.decide(1, [UP, UP])), [(1, 100), (2, 100)]);
    assert_eq!(
        weights(&site.decide(2, [UP, UP, UP])),
        [(1, 100), (2, 100), (3, 10)],
        "a server that joins later starts with a tenth"
    );
}

const SORRY: &str = "edges = true\nsorry_server = \"10.0.0.9\"\nquorum = 2\nhysteresis = 1";

#[test]
fn the_sorry_server_takes_over_below_the_quorum_and_is_drained_above_the_hysteresis() {
    let mut site = Site::new(SORRY);
    assert_eq!(weights(&site.decide(0, [UP, UP, UP])), [(1, 100), (2, 100), (3, 100)]);
    assert_eq!(weights(&site.decide(2, [UP, UP, failed()])), [(1, 100), (2, 100)], "two are a quorum");
    assert_eq!(
        weights(&site.decide(4, [UP, failed(), failed()])),
        [(1, 0), (9, 1)],
        "the server that is up keeps its clients"
    );
    assert_eq!(
        weights(&site.decide(6, [UP, UP, failed()])),
        [(1, 0), (2, 0), (9, 1)],
        "hysteresis: two are not enough"
    );
    let back = site.decide(8, [UP, UP, UP]);
    assert!(!is_sorry_active(&back));
    assert_eq!(weights(&back)[3], (9, 0), "the sorry server is drained");
    assert_eq!(weights(&site.decide(68, [UP, UP, UP])).len(), 3);
}

#[test]
fn the_sorry_server_replaces_the_last_real_server() {
    let mut site = Site::new("edges = true\nsorry_server = \"10.0.0.9\"");
    site.decide(0, [UP]);
    assert_eq!(weights(&site.decide(2, [failed()])), [(9, 1)], "the plan adds before it deletes");
}

#[test]
fn the_sorry_server_does_not_take_over_before_the_state_of_servers_is_known() {
    let mut site = Site::new(&format!("{SORRY}\n[kernel.service.check]\n"));
    assert_eq!(weights(&site.decide_of(0, false, BTreeMap::new(), 1)), []);
    assert_eq!(weights(&site.decide(1, [Condition::Pending, Condition::Pending])), []);
    assert_eq!(weights(&site.decide(2, [failed(), failed()])), [(9, 1)]);
}

const CHECKED: &str = "edges = true\nsorry_server = \"10.0.0.9\"\n[kernel.service.check]\nkind = \"tcp\"\nfall = 3\n\
                       timeout = \"3s\"\nfast_interval = \"1s\"";

#[test]
fn the_first_checks_are_awaited_for_a_limited_time() {
    let mut site = Site::new(CHECKED);
    assert!(!is_sorry_active(&site.decide(0, [failed(), Condition::Pending])));
    assert!(!is_sorry_active(&site.decide(12, [failed(), Condition::Pending])), "three times 3 s and 1 s");
    assert!(is_sorry_active(&site.decide(13, [failed(), Condition::Pending])));
}

#[test]
fn a_server_that_cannot_be_checked_does_not_keep_others_from_ramping_up() {
    let mut site = Site::new(CHECKED);
    assert_eq!(weights(&site.decide(0, [UP, Condition::Pending])), [(1, 100)]);
    assert_eq!(weights(&site.decide(13, [UP, Condition::Pending])), [(1, 100)]);
    let later = [UP, Condition::Pending, UP];
    assert_eq!(weights(&site.decide(60, later)), [(1, 100), (3, 10)], "it ramps up");
}

#[test]
fn a_sorry_server_stays_active_over_a_restart_while_all_others_drain() {
    let mut before = Site::new(CHECKED);
    before.decide(0, [UP]);
    assert_eq!(weights(&before.decide(1, [Condition::Draining(None)])), [(1, 0), (9, 1)]);
    let mut site = Site { kernel: before.kernel, ..Site::new(CHECKED) };
    assert_eq!(weights(&site.decide(0, [Condition::Pending])), [(1, 0), (9, 1)]);
}

#[test]
fn each_time_the_sorry_server_is_drained_it_gets_the_full_time() {
    let mut site = Site::new("edges = true\nsorry_server = \"10.0.0.9\"");
    site.decide(0, [UP]);
    site.decide(2, [failed()]);
    assert_eq!(weights(&site.decide(10, [UP])), [(1, 100), (9, 0)]);
    assert_eq!(weights(&site.decide(40, [failed()])), [(9, 1)]);
    assert_eq!(weights(&site.decide(80, [UP]))[1], (9, 0), "the drain begins anew");
    assert_eq!(weights(&site.decide(130, [UP])).len(), 2);
    assert_eq!(weights(&site.decide(141, [UP])).len(), 1);
}

#[test]
fn each_family_has_its_own_quorum_and_sorry_server() {
    let text = "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\", \"2001:db8::10\"]\ntcp = [\"554\"]\n\
                edges = true\nsorry_server = [\"10.0.0.9\", \"2001:db8::9\"]\n";
    let service = parse_services(text).remove(0);
    let (four, six): (IpAddr, IpAddr) = (address(1), "2001:db8::1".parse().unwrap());
    let method = service.method;
    let mut policy = ServicePolicy::new(service, Duration::ZERO);
    let mut decide = |seconds: u64, of_six: Condition| {
        let of = |condition| RealServer { method, base: 100, edge: Some(id(7)), condition };
        let servers = BTreeMap::from([(four, of(UP)), (six, of(of_six))]);
        let kernel = Snapshot::default();
        policy.decide(&DecisionInput { now: at(1000 * seconds), servers: &servers, kernel: &kernel, is_settled: true })
    };
    let both = decide(0, UP);
    assert_eq!(both.families[&Family::V6], FamilyStatus { up: 1, is_sorry_active: false });
    let half = decide(1, failed());
    assert_eq!(half.families[&Family::V4], FamilyStatus { up: 1, is_sorry_active: false });
    assert_eq!(half.families[&Family::V6], FamilyStatus { up: 0, is_sorry_active: true });
    let servers: Vec<(IpAddr, u32)> = half
        .table
        .values()
        .flat_map(|service| service.destinations.iter().map(|(server, to)| (server.address, to.weight)))
        .collect();
    assert_eq!(servers, [(four, 100), ("2001:db8::9".parse().unwrap(), 1)]);
}

#[test]
fn directors_that_must_choose_alike_use_base_weights() {
    let of = |directors: &str| {
        let text = format!(
            "[[kernel.service]]\nname = \"media\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"554\"]\nscheduler = \"mh\"\n\
             edges = true\n{directors}"
        );
        let service = parse_services(&text).remove(0);
        let policy = ServicePolicy::new(service, Duration::from_secs(30));
        let mut site = Site { policy, kernel: Snapshot::default() };
        site.decide(0, [UP]);
        weights(&site.decide(2, [UP, Condition::Utilised(0.6)]))
    };
    assert_eq!(of(""), [(1, 100), (2, 4)], "ramping up, and busy");
    assert_eq!(of("[kernel.directors]\nsync_interface = \"eth0\""), [(1, 100), (2, 4)]);
    assert_eq!(of("[kernel.directors]"), [(1, 100), (2, 100)]);
}

#[test]
fn a_sorry_server_that_is_active_at_the_start_respects_the_hysteresis() {
    let mut before = Site::new(SORRY);
    before.decide(0, [failed(), failed(), failed()]);
    let mut site = Site { kernel: before.kernel.clone(), ..Site::new(SORRY) };
    assert!(is_sorry_active(&site.decide(0, [UP, UP, failed()])));
    assert!(!is_sorry_active(&site.decide(1, [UP, UP, UP])));
}

#[test]
fn initially_every_configured_server_has_its_weight() {
    let service = service("[[kernel.service.server]]\naddress = \"10.0.0.1\"\nweight = 7\n");
    let table = initial_table(&service);
    assert_eq!(table.values().next().unwrap().destinations[&Server::at(address(1))].weight, 7);
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => (0.0..1.2_f32).prop_map(Condition::Utilised),
        4 => Just(UP),
        1 => Just(Condition::Paused),
        2 => proptest::option::of(0..400_u64).prop_map(|until| Condition::Draining(until.map(|until| at(1000 * until)))),
        1 => Just(Condition::Pending),
        3 => Just(failed()),
    ]
}

proptest! {
    #[test]
    fn exactly_the_servers_that_are_up_get_new_connections(
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
            let is_known = conditions.values().all(|condition| *condition != Condition::Pending);
            prop_assert!(is_live || !has_sorry || !is_known, "{:?} of {:?}", weights, conditions);
            for (last, weight) in weights {
                match conditions.get(&last) {
                    Some(Condition::Failed(_)) => prop_assert!(false, "{} has failed", last),
                    Some(Condition::Draining(_) | Condition::Paused) => prop_assert_eq!(weight, 0),
                    Some(condition) if condition.is_up() => prop_assert_eq!(weight > 0, !is_sorry_active(&decision)),
                    None if last != 9 => prop_assert_eq!(weight, 0),
                    _ => {}
                }
            }
        }
    }
}
