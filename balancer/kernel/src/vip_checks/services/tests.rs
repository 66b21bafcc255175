use proptest::prelude::*;

use super::*;
use crate::config::tests::parse_services;
use crate::model::tests::few_tables;
use crate::model::{Encapsulation, Marks, OwnedMarks};
use crate::plan::{Actual, Change, Desired, plan};
use crate::simulated_kernel::SimulatedKernel;

fn probe_service(last: u8) -> ProbeService {
    ProbeService { server: [10, 0, 0, last].into(), forwarding: Forwarding::DirectRoute, one_packet: false }
}

fn mark(number: u32) -> Mark {
    Mark::new(number).unwrap()
}

fn range(first: u32, last: u32) -> MarkRange {
    MarkRange::new(mark(first), mark(last)).unwrap()
}

const SERVICES: &str = r#"
    [[kernel.service]]
    name = "media"
    addresses = ["192.0.2.10", "2001:db8::10"]
    tcp = ["554"]
    check = { kind = "rtsp", through_address = true }
    server = [{ address = "10.0.0.1" }, { address = "10.0.0.2", method = "ipip" }, { address = "2001:db8::1:1" }]
    [[kernel.service]]
    name = "telemetry"
    addresses = ["192.0.2.10"]
    udp = ["6970"]
    check = { kind = "udp", send = "?", receive = "!", through_address = true }
    server = [{ address = "10.0.0.1" }, { address = "10.0.0.2", method = "nat" }]
    [[kernel.service]]
    name = "web"
    addresses = ["192.0.2.10"]
    tcp = ["80"]
    check = { kind = "http", through_address = true }
    server = [{ address = "10.0.0.1" }]
    [[kernel.service]]
    name = "plain"
    addresses = ["192.0.2.10"]
    tcp = ["81"]
    check = {}
    server = [{ address = "10.0.0.9" }]
"#;

#[test]
fn servers_with_vip_checks_have_one_probe_service_for_each_path() {
    let ipv4 = |last, forwarding, one_packet| ProbeService { forwarding, one_packet, ..probe_service(last) };
    let ipv6 = ProbeService { server: "2001:db8::1:1".parse().unwrap(), ..probe_service(1) };
    let expected = [
        probe_service(1),
        ipv4(1, Forwarding::DirectRoute, true),
        ipv4(2, Forwarding::Masquerade, false),
        ipv4(2, Forwarding::Tunnel(Encapsulation::Ipip), false),
        ipv6,
    ];
    assert_eq!(static_probe_services(&parse_services(SERVICES)), expected.into());
}

#[test]
fn a_probe_service_has_a_single_server() {
    let first = probe_service(1);
    let service = first.service();
    assert_eq!(service.destinations, [(Server::at(first.server), Destination::new(first.forwarding, 1))].into());
    assert_eq!((service.service.persistence, service.service.one_packet), (None, false));
    assert_eq!(ProbeService::read(&first.key(mark(7)), &service), Some((first, mark(7))));
    let mut two = service;
    let second = probe_service(2);
    two.destinations.insert(Server::at(second.server), Destination::new(second.forwarding, 1));
    assert_eq!(ProbeService::read(&first.key(mark(7)), &two), None, "it has two servers");
}

#[test]
fn marks_come_from_the_end_of_the_range_and_are_not_those_of_services() {
    let text = format!("[kernel]\nmarks = \"0x100-0x109\"\n{}", SERVICES.replacen("name", "mark = 0x108\nname", 1));
    let mut probe_services = ProbeServices::new(range(0x100, 0x109), &parse_services(&text));
    probe_services.assign(&[1, 2, 3].map(probe_service).into(), &Table::new());
    let marks = [1, 2, 3].map(|last| probe_services.mark(&probe_service(last)).unwrap().number());
    assert_eq!(marks, [0x109, 0x107, 0x106]);
}

#[test]
fn marks_are_kept_when_others_come_and_go_and_over_a_restart() {
    let mut probe_services = ProbeServices::new(range(0x100, 0x109), &[]);
    probe_services.assign(&[1, 2].map(probe_service).into(), &Table::new());
    let second = probe_services.mark(&probe_service(2));
    let before = probe_services.table();
    probe_services.assign(&[2, 3].map(probe_service).into(), &before);
    assert_eq!(probe_services.mark(&probe_service(2)), second);
    assert_eq!(probe_services.mark(&probe_service(1)), None);
    let third = probe_services.mark(&probe_service(3));
    assert_eq!(third, Some(mark(0x107)), "the kernel still has the first one's mark");

    let mut restarted = ProbeServices::new(range(0x100, 0x109), &[]);
    restarted.assign(&[2, 3, 0].map(probe_service).into(), &probe_services.table());
    let marks_of = |all: &ProbeServices| [2, 3].map(|last| all.mark(&probe_service(last)));
    assert_eq!(marks_of(&restarted), marks_of(&probe_services));
}

#[test]
fn without_enough_marks_some_probe_services_wait_for_one() {
    let mut probe_services = ProbeServices::new(range(0x100, 0x101), &[]);
    probe_services.assign(&[1, 2, 3].map(probe_service).into(), &Table::new());
    assert_eq!(probe_services.table().len(), 2);
    probe_services.assign(&[2, 3].map(probe_service).into(), &Table::new());
    assert!(probe_services.mark(&probe_service(2)).is_some() && probe_services.mark(&probe_service(3)).is_some());
}

fn few_probe_services() -> impl Strategy<Value = BTreeSet<ProbeService>> {
    let forwarding = prop_oneof![Just(Forwarding::DirectRoute), Just(Forwarding::Masquerade)];
    let service =
        (1..6_u8, any::<bool>(), forwarding, any::<bool>()).prop_map(|(last, is_ipv4, forwarding, one_packet)| {
            let ipv6 = [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)];
            let server = if is_ipv4 { probe_service(last).server } else { ipv6.into() };
            ProbeService { server, forwarding, one_packet }
        });
    proptest::collection::btree_set(service, 0..8)
}

/// Applies this desired table, and returns the changes.
fn apply(kernel: &mut SimulatedKernel, table: Table, owned: &OwnedMarks) -> Result<Vec<Change>, TestCaseError> {
    let desired = Desired::new(owned.clone(), table, Marks::default()).unwrap();
    let changes = plan(&desired, &kernel.actual);
    for change in &changes {
        prop_assert_eq!(kernel.execute(change), Ok(()), "{}", change);
    }
    Ok(changes)
}

proptest! {
    #[test]
    fn required_servers_have_their_own_probe_service_and_foreign_services_stay(
        moments in proptest::collection::vec((few_probe_services(), any::<bool>()), 1..8),
        before in few_tables(),
    ) {
        // 0x100 is the mark of a virtual service; 0xff and 0x103 are not Weir's.
        let range = range(0x100, 0x102 + 40);
        let mut owned_marks = range.iter();
        let taken = owned_marks.next().unwrap();
        let new = || ProbeServices { taken: [taken].into(), ..ProbeServices::new(range, &[]) };
        let owned = OwnedMarks::new(range, []);
        let is_foreign = |key: &ServiceKey| !owned.owns(key);
        let foreign: Table = before.clone().into_iter().filter(|(key, _)| is_foreign(key)).collect();
        let mut probe_services = new();
        let mut kernel = SimulatedKernel::from(Actual { table: before, ..Actual::default() });
        for (required, is_restart) in moments {
            if is_restart {
                probe_services = new();
            }
            let mut known: BTreeMap<ProbeService, BTreeSet<Mark>> = BTreeMap::new();
            let listed = kernel.actual.table.iter().filter_map(|(key, service)| ProbeService::read(key, service));
            for (probe_service, mark) in listed {
                if range.contains(mark) && mark != taken {
                    known.entry(probe_service).or_default().insert(mark);
                }
            }
            probe_services.assign(&required, &kernel.actual.table);
            apply(&mut kernel, probe_services.table(), &owned)?;
            let of_others = kernel.actual.table.clone().into_iter().filter(|(key, _)| is_foreign(key));
            prop_assert_eq!(of_others.collect::<Table>(), foreign.clone());
            let mut marks = BTreeSet::new();
            for probe_service in &required {
                let mark = probe_services.mark(probe_service).unwrap();
                let is_own = range.contains(mark) && mark != taken && marks.insert(mark);
                prop_assert!(is_own, "{:?}", probe_service);
                let service = kernel.actual.table.get(&probe_service.key(mark)).unwrap();
                prop_assert_eq!(service.destinations.keys().collect::<Vec<_>>(), [&Server::at(probe_service.server)]);
                let is_kept = known.get(probe_service).is_none_or(|before| before.contains(&mark));
                prop_assert!(is_kept, "an existing probe service is kept, so that no check is interrupted");
            }
            let count = kernel.actual.table.keys().filter(|key| owned.owns(key)).count();
            prop_assert_eq!(count, required.len(), "no service is left behind");
            probe_services.assign(&required, &kernel.actual.table);
            prop_assert_eq!(apply(&mut kernel, probe_services.table(), &owned)?, [], "the state is stable");
        }
    }
}
