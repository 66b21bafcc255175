use weir_fleet::testing::at;

use super::*;
use crate::config::tests::parse_settings;
use crate::model::{Destination, Family, Forwarding, Mark, Server, ServiceKey, Table};
use crate::real_servers::{Condition, Failure, RealServer, Unmeasured};
use crate::simulated_kernel::{SimulatedKernel, snapshot};
use crate::vip_checks::ProbeService;

const SERVICE: &str = r#"
    [[kernel.service]]
    name = "media"
    addresses = ["192.0.2.10"]
    tcp = ["554"]
    server = [{ address = "10.0.0.1" }, { address = "10.0.0.2" }]
"#;

fn server(last: u8) -> Server {
    Server::at([10, 0, 0, last].into())
}

fn key(mark: u32) -> ServiceKey {
    ServiceKey::Marked { family: Family::V4, mark: Mark::new(mark).unwrap() }
}

fn policy(settings: &Settings) -> Policy {
    Policy::new(settings, Duration::ZERO)
}

/// An observation of a single service whose servers are all in this condition.
fn observe(settings: &Settings, kernel: &SimulatedKernel, now: Time, condition: &Condition) -> Observation {
    let service = &settings.services[0];
    let observed = || RealServer { method: service.method, base: 100, edge: None, condition: condition.clone() };
    let servers = service.servers.iter().map(|server| (server.address, observed())).collect();
    Observation {
        now,
        kernel: snapshot(&kernel.actual, &settings.owned),
        servers: vec![servers],
        probe_services: Table::new(),
        reply_interfaces: BTreeSet::new(),
        role: None,
        is_settled: true,
    }
}

fn up() -> Condition {
    Condition::Unmeasured(Unmeasured::NoAgent)
}

fn failed() -> Condition {
    Condition::Failed(Failure::Check("connection refused".to_owned()))
}

/// Applies a decision, except for `pending` changes.
fn apply(policy: &mut Policy, kernel: &mut SimulatedKernel, decision: Decision, pending: Vec<Change>) {
    for change in plan(&decision.desired, &kernel.actual).iter().filter(|change| !pending.contains(change)) {
        kernel.execute(change).unwrap();
    }
    policy.set_applied(decision.desired, pending);
}

#[test]
fn changes_by_other_programs_are_drift() {
    let settings = parse_settings(SERVICE);
    let (mut policy, mut kernel) = (policy(&settings), SimulatedKernel::default());
    let first = policy.decide(&observe(&settings, &kernel, at(0), &up())).unwrap();
    assert_eq!(first.drift, [], "the first changes are Weir's own");
    apply(&mut policy, &mut kernel, first, vec![]);
    assert_eq!(policy.decide(&observe(&settings, &kernel, at(1000), &up())).unwrap().drift, []);
    kernel.execute(&Change::DeleteDestination(key(0x5700_0000), server(2))).unwrap();
    let drift = policy.decide(&observe(&settings, &kernel, at(2000), &up())).unwrap().drift;
    let restored = Destination::new(Forwarding::DirectRoute, 100);
    assert_eq!(drift, [Change::AddDestination(key(0x5700_0000), server(2), restored)]);
}

#[test]
fn decisions_are_not_drift() {
    let settings = parse_settings(SERVICE);
    let (mut policy, mut kernel) = (policy(&settings), SimulatedKernel::default());
    let first = policy.decide(&observe(&settings, &kernel, at(0), &up())).unwrap();
    apply(&mut policy, &mut kernel, first, vec![]);
    let second = policy.decide(&observe(&settings, &kernel, at(1000), &failed())).unwrap();
    assert_eq!(second.drift, []);
    assert!(!plan(&second.desired, &kernel.actual).is_empty());
}

#[test]
fn pending_changes_are_not_drift() {
    let settings = parse_settings(SERVICE);
    let (mut policy, mut kernel) = (policy(&settings), SimulatedKernel::default());
    let first = policy.decide(&observe(&settings, &kernel, at(0), &up())).unwrap();
    let refused = Change::AddDestination(key(0x5700_0000), server(2), Destination::new(Forwarding::DirectRoute, 100));
    apply(&mut policy, &mut kernel, first, vec![refused]);
    assert_eq!(policy.decide(&observe(&settings, &kernel, at(1000), &up())).unwrap().drift, []);
    kernel.execute(&Change::DeleteDestination(key(0x5700_0000), server(1))).unwrap();
    assert_eq!(policy.decide(&observe(&settings, &kernel, at(2000), &up())).unwrap().drift.len(), 1);
}

#[test]
fn nothing_is_drift_after_the_applied_state_is_forgotten() {
    let settings = parse_settings(SERVICE);
    let (mut policy, mut kernel) = (policy(&settings), SimulatedKernel::default());
    let first = policy.decide(&observe(&settings, &kernel, at(0), &up())).unwrap();
    apply(&mut policy, &mut kernel, first, vec![]);
    policy.forget_applied();
    let reloaded = SimulatedKernel::default();
    assert_eq!(policy.decide(&observe(&settings, &reloaded, at(1000), &up())).unwrap().drift, []);
}

#[test]
fn a_master_without_servers_holds_changes_back_for_a_second() {
    let settings = parse_settings(&format!("[kernel.directors]\n{SERVICE}"));
    let (mut policy, mut kernel) = (policy(&settings), SimulatedKernel::default());
    let first = policy.decide(&observe(&settings, &kernel, at(0), &up())).unwrap();
    apply(&mut policy, &mut kernel, first, vec![]);
    let mut decide = |milliseconds, role, condition| {
        let observation = Observation { role, ..observe(&settings, &kernel, at(milliseconds), &condition) };
        let decision = policy.decide(&observation).unwrap();
        (decision.is_held_back, policy.is_releasing())
    };
    let master = Some(Role::Master);
    assert_eq!(decide(1000, master, up()), (false, false));
    assert_eq!(decide(2000, master, failed()), (true, true));
    assert_eq!(decide(2999, master, failed()), (true, true));
    assert_eq!(decide(3000, master, failed()), (false, true));
    assert_eq!(decide(4000, master, up()), (false, false));
    assert_eq!(decide(5000, master, failed()), (true, true), "the time starts again");
    assert_eq!(decide(5500, Some(Role::Backup), failed()), (false, false));
    assert_eq!(decide(6000, None, failed()), (false, false));
}

#[test]
fn services_that_weir_does_not_own_are_rejected() {
    let settings = parse_settings(SERVICE);
    let probe_service =
        ProbeService { server: [10, 0, 0, 1].into(), forwarding: Forwarding::DirectRoute, one_packet: false };
    let mut observation = observe(&settings, &SimulatedKernel::default(), at(0), &up());
    observation.probe_services = [(key(7), probe_service.service())].into();
    let error = policy(&settings).decide(&observation).unwrap_err();
    assert_eq!(error, NotOwned::Service(key(7), settings.owned));
}

#[test]
fn the_exit_policy_keeps_drains_or_removes_services() {
    let settings = parse_settings(&format!("[kernel.directors]\nsync_interface = \"eth0\"\n{SERVICE}"));
    let (mut policy, mut kernel) = (policy(&settings), SimulatedKernel::default());
    assert_eq!(policy.on_exit(OnExit::Remove, None), None, "nothing has been applied yet");
    let mut observation = observe(&settings, &kernel, at(0), &up());
    let probe_service =
        ProbeService { server: [10, 0, 0, 1].into(), forwarding: Forwarding::DirectRoute, one_packet: false };
    observation.probe_services = [(key(0x5700_ffff), probe_service.service())].into();
    let decision = policy.decide(&observation).unwrap();
    apply(&mut policy, &mut kernel, decision, vec![]);
    assert_eq!(policy.on_exit(OnExit::Keep, None), None);
    let drained = policy.on_exit(OnExit::Drain, Some(Role::Master)).unwrap();
    assert!(drained.table().keys().eq([&key(0x5700_0000)]), "{drained:?}");
    let destinations = &drained.table()[&key(0x5700_0000)].destinations;
    assert!(destinations.len() == 2 && destinations.values().all(|destination| destination.weight == 0));
    assert_eq!(drained.packet_marks(), &settings.packet_marks);
    assert!(drained.daemons.unwrap().contains_key(&Role::Master));
    let removed = policy.on_exit(OnExit::Remove, Some(Role::Master)).unwrap();
    assert!(removed.table().is_empty() && removed.packet_marks().is_empty());
    assert_eq!(removed.daemons, Some(BTreeMap::new()));
}
