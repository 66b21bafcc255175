use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::model::tests::{daemon, few_marks, few_owned, few_tables};
use crate::model::{Family, Forwarding, PortRange, Protocol};
use crate::simulated_kernel::{Rejection, SimulatedKernel, is_mixed};

fn key(number: u32) -> ServiceKey {
    ServiceKey::Marked { family: Family::V4, mark: Mark::new(number).unwrap() }
}

fn server(last: u8) -> Server {
    Server::at([10, 0, 0, last].into())
}

fn routed(weight: u32) -> Destination {
    Destination::new(Forwarding::DirectRoute, weight)
}

fn table<const SERVERS: usize>(number: u32, servers: [(Server, Destination); SERVERS]) -> Table {
    let service = Service::new("wlc".parse().unwrap());
    Table::from([(key(number), ServiceEntry { service, destinations: servers.into() })])
}

fn changes(desired: Table, actual: Table) -> Vec<Change> {
    let desired = Desired::new(few_owned(), desired, Marks::default()).unwrap();
    plan(&desired, &Actual { table: actual, ..Actual::default() })
}

#[test]
fn a_sorry_server_is_added_before_the_last_real_server_is_deleted() {
    let desired = table(0x100, [(server(9), routed(1))]);
    let actual = table(0x100, [(server(1), routed(5))]);
    let expected =
        [Change::AddDestination(key(0x100), server(9), routed(1)), Change::DeleteDestination(key(0x100), server(1))];
    assert_eq!(changes(desired, actual), expected);
}

#[test]
fn weights_are_raised_before_others_are_lowered() {
    let desired = table(0x100, [(server(1), routed(0)), (server(2), routed(5))]);
    let actual = table(0x100, [(server(1), routed(5)), (server(2), routed(0))]);
    let expected = [
        Change::SetDestination(key(0x100), server(2), routed(5)),
        Change::SetDestination(key(0x100), server(1), routed(0)),
    ];
    assert_eq!(changes(desired, actual), expected);
}

#[test]
fn marks_are_not_changed_while_their_state_is_unknown() {
    let endpoint = Endpoint { address: [192, 0, 2, 1].into(), protocol: Protocol::Tcp, ports: 554.into() };
    let marks = Marks::new([(endpoint, Mark::new(0x100).unwrap())]).unwrap();
    for marks in [marks, Marks::default()] {
        let actual = Actual { marks: MarkTable::Inconsistent, ..Actual::default() };
        assert_eq!(plan(&Desired::new(few_owned(), Table::new(), marks).unwrap(), &actual), []);
    }
}

#[test]
fn a_new_forwarding_method_is_set_in_place() {
    let masqueraded = Destination::new(Forwarding::Masquerade, 5);
    let desired = table(0x100, [(server(1), masqueraded)]);
    let actual = table(0x100, [(server(1), routed(5))]);
    assert_eq!(changes(desired, actual), [Change::SetDestination(key(0x100), server(1), masqueraded)]);
}

#[test]
fn services_and_marks_that_are_not_owned_cannot_be_desired() {
    let error = Desired::new(few_owned(), table(0xff, []), Marks::default()).unwrap_err();
    let expected = "the service of mark 255 is not owned by Weir, which owns the marks 256 to 257, 258";
    assert_eq!(error.to_string(), expected);
    let endpoint = Endpoint { address: [192, 0, 2, 1].into(), protocol: Protocol::Tcp, ports: 554.into() };
    let marks = Marks::new([(endpoint, Mark::new(7).unwrap())]).unwrap();
    let error = Desired::new(few_owned(), Table::new(), marks).unwrap_err();
    let expected =
        "192.0.2.1 tcp 554 would get mark 7, which is not owned by Weir, which owns the marks 256 to 257, 258";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_simulated_kernel_refuses_duplicates_and_missing_objects() {
    let mut kernel = SimulatedKernel::default();
    let add = Change::AddService(key(0x100), Service::new("rr".parse().unwrap()));
    assert_eq!(kernel.execute(&Change::DeleteService(key(0x100))), Err(Rejection::NoSuchService));
    assert_eq!(kernel.execute(&add), Ok(()));
    assert_eq!(kernel.execute(&add), Err(Rejection::Exists));
    let set = Change::SetDestination(key(0x100), server(1), routed(1));
    assert_eq!(kernel.execute(&set), Err(Rejection::NoSuchEntry));
    assert_eq!(kernel.execute(&Change::AddDestination(key(0x100), server(1), routed(1))), Ok(()));
    assert_eq!(kernel.execute(&set), Ok(()));
    let of_other_family = Server::at(IpAddr::V6("2001:db8::1".parse().unwrap()));
    let add = Change::AddDestination(key(0x100), of_other_family, routed(1));
    assert_eq!(kernel.execute(&add), Err(Rejection::Invalid));
}

/// Returns whether packets to this port of the marked address reach a live server.
fn is_served(state: &Actual, port: u16) -> bool {
    let MarkTable::Intact(marks) = &state.marks else { return false };
    let has = |ports: PortRange| (ports.first()..=ports.last()).contains(&port);
    let mark = marks.iter().find(|(endpoint, _)| has(endpoint.ports)).map(|(_, mark)| mark);
    let service = mark.and_then(|mark| state.table.get(&ServiceKey::Marked { family: Family::V4, mark }));
    service.is_some_and(ServiceEntry::is_live)
}

fn others(table: &Table) -> Table {
    table.iter().filter(|(key, _)| !few_owned().owns(key)).map(|(key, service)| (*key, service.clone())).collect()
}

fn daemons() -> impl Strategy<Value = BTreeMap<Role, Daemon>> {
    proptest::collection::vec(daemon(), 0..3)
        .prop_map(|daemons| daemons.into_iter().map(|daemon| (daemon.role, daemon)).collect())
}

fn actual() -> impl Strategy<Value = Actual> {
    let marks = prop_oneof![
        1 => Just(MarkTable::Absent),
        1 => Just(MarkTable::Modified),
        4 => few_marks().prop_map(MarkTable::Intact),
    ];
    let timeouts = (1..3_u32).prop_map(|tcp| Timeouts { tcp, tcp_fin: 120, udp: 300 });
    (few_tables(), marks, daemons(), timeouts).prop_map(|(table, marks, mut daemons, timeouts)| {
        if has_mixed(&table) {
            daemons.clear();
        }
        Actual { table, marks, daemons, timeouts }
    })
}

fn desired() -> impl Strategy<Value = Desired> {
    let table = few_tables().prop_map(|table| table.into_iter().filter(|(key, _)| few_owned().owns(key)).collect());
    let timeouts = proptest::option::of((0..3_u32).prop_map(|tcp| Timeouts { tcp, ..Timeouts::default() }));
    (table, few_marks(), proptest::option::of(daemons()), timeouts).prop_map(|(table, marks, daemons, timeouts)| {
        Desired { daemons, timeouts, ..Desired::new(few_owned(), table, marks).unwrap() }
    })
}

fn has_mixed(table: &Table) -> bool {
    table.iter().any(|(key, service)| is_mixed(key, service))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_plan_leads_to_the_desired_state_and_refuses_no_client(desired in desired(), before in actual()) {
        // The kernel refuses servers of another family than their service beside sync daemons.
        let syncs = !desired.daemons.as_ref().unwrap_or(&before.daemons).is_empty();
        prop_assume!(!syncs || !(has_mixed(desired.table()) || has_mixed(&others(&before.table))));
        let changes = plan(&desired, &before);
        let mut kernel = SimulatedKernel::from(before.clone());
        let mut states = vec![before.clone()];
        for change in &changes {
            prop_assert_eq!(kernel.execute(change), Ok(()), "{}", change);
            prop_assert_eq!(others(&kernel.actual.table), others(&before.table), "{}", change);
            states.push(kernel.actual.clone());
        }
        let after = kernel.actual;
        // The desired state is reached, and there are no further changes.
        for (key, service) in desired.table() {
            prop_assert_eq!(after.table.get(key), Some(service));
        }
        prop_assert_eq!(after.table.len(), desired.table().len() + others(&before.table).len());
        if let Some(daemons) = &desired.daemons {
            prop_assert!(daemons.keys().eq(after.daemons.keys()));
        }
        prop_assert_eq!(plan(&desired, &after), []);
        // Clients that are served before and after are served all the time.
        for key in before.table.keys() {
            let is_live = |state: &Actual| state.table.get(key).is_some_and(ServiceEntry::is_live);
            prop_assert!(!is_live(&before) || !is_live(&after) || states.iter().all(is_live), "{}", key);
        }
        for port in 10..30 {
            let is_served = |state: &Actual| is_served(state, port);
            prop_assert!(!is_served(&before) || !is_served(&after) || states.iter().all(is_served), "{}", port);
        }
    }

    #[test]
    fn only_owned_services_are_changed(desired in desired(), actual in actual()) {
        for change in plan(&desired, &actual) {
            let key = match change {
                Change::AddService(key, _) | Change::SetService(key, _) | Change::DeleteService(key) => key,
                Change::AddDestination(key, ..) | Change::SetDestination(key, ..) => key,
                Change::DeleteDestination(key, _) => key,
                _ => continue,
            };
            prop_assert!(few_owned().owns(&key), "{}", key);
        }
    }
}
