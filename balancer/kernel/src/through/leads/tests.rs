use proptest::prelude::*;

use super::*;
use crate::config::tests::parse_groups;
use crate::model::tests::few_tables;
use crate::model::{Encapsulation, Owned};
use crate::plan::{Actual, Change, Desired, plan};
use crate::rehearsal::Kernel;

fn lead(last: u8) -> Lead {
    Lead { server: [10, 0, 0, last].into(), forwarding: Forwarding::DirectRoute, one_packet: false }
}

fn mark(number: u32) -> Mark {
    Mark::new(number).unwrap()
}

fn range(first: u32, last: u32) -> MarkRange {
    MarkRange::new(mark(first), mark(last)).unwrap()
}

fn groups(text: &str) -> Vec<Group> {
    parse_groups(text)
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
fn each_way_to_a_server_is_there_once_and_only_where_it_is_checked_so() {
    let four = |last, forwarding, one_packet| Lead { forwarding, one_packet, ..lead(last) };
    let six = Lead { server: "2001:db8::1:1".parse().unwrap(), ..lead(1) };
    let expected = [
        lead(1),
        four(1, Forwarding::DirectRoute, true),
        four(2, Forwarding::Masquerade, false),
        four(2, Forwarding::Tunnel(Encapsulation::Ipip), false),
        six,
    ];
    assert_eq!(to_members(&groups(SERVICES)), expected.into());
}

#[test]
fn a_lead_sends_everything_to_one_server() {
    let service = lead(1).service();
    assert_eq!(service.destinations, [(Server::at(lead(1).server), Destination::new(lead(1).forwarding, 1))].into());
    assert_eq!((service.service.persistence, service.service.one_packet), (None, false));
    assert_eq!(Lead::read(&lead(1).key(mark(7)), &service), Some((lead(1), mark(7))));
    let mut two = service;
    two.destinations.insert(Server::at(lead(2).server), Destination::new(lead(2).forwarding, 1));
    assert_eq!(Lead::read(&lead(1).key(mark(7)), &two), None, "it leads to two");
}

#[test]
fn marks_come_from_the_end_and_are_not_those_of_services() {
    let groups =
        groups(&format!("[kernel]\nmarks = \"0x100-0x109\"\n{}", SERVICES.replacen("name", "mark = 0x108\nname", 1)));
    let mut leads = Leads::new(range(0x100, 0x109), &groups);
    leads.assign(&[lead(1), lead(2), lead(3)].into(), &Table::new());
    assert_eq!([1, 2, 3].map(|last| leads.mark(&lead(last)).unwrap().number()), [0x109, 0x107, 0x106]);
}

#[test]
fn marks_stay_when_others_come_and_go_and_over_a_restart() {
    let mut leads = Leads::new(range(0x100, 0x109), &[]);
    leads.assign(&[lead(1), lead(2)].into(), &Table::new());
    let second = leads.mark(&lead(2));
    let before = leads.table();
    leads.assign(&[lead(2), lead(3)].into(), &before);
    assert_eq!(leads.mark(&lead(2)), second);
    assert_eq!(leads.mark(&lead(1)), None);
    assert_eq!(leads.mark(&lead(3)), Some(mark(0x107)), "the first one's is in the kernel still");

    let mut again = Leads::new(range(0x100, 0x109), &[]);
    again.assign(&[lead(2), lead(3), lead(0)].into(), &leads.table());
    assert_eq!([2, 3].map(|last| again.mark(&lead(last))), [2, 3].map(|last| leads.mark(&lead(last))));
}

#[test]
fn when_marks_run_out_some_wait() {
    let mut leads = Leads::new(range(0x100, 0x101), &[]);
    let wanted = [lead(1), lead(2), lead(3)].into();
    leads.assign(&wanted, &Table::new());
    assert_eq!(leads.table().len(), 2);
    leads.assign(&[lead(2), lead(3)].into(), &Table::new());
    assert!(leads.mark(&lead(2)).is_some() && leads.mark(&lead(3)).is_some());
}

fn few_leads() -> impl Strategy<Value = BTreeSet<Lead>> {
    let forwarding = prop_oneof![Just(Forwarding::DirectRoute), Just(Forwarding::Masquerade)];
    let lead =
        (1..6_u8, any::<bool>(), forwarding, any::<bool>()).prop_map(|(last, is_four, forwarding, one_packet)| {
            let six = [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)];
            let server = if is_four { lead(last).server } else { six.into() };
            Lead { server, forwarding, one_packet }
        });
    proptest::collection::btree_set(lead, 0..8)
}

/// What a kernel is told, change by change.
fn make(kernel: &mut Kernel, table: Table, owned: &Owned) -> Result<Vec<Change>, TestCaseError> {
    let changes = plan(&Desired { table, ..Desired::default() }, &kernel.actual, owned).unwrap();
    for change in &changes {
        prop_assert_eq!(kernel.make(change), Ok(()), "{}", change);
    }
    Ok(changes)
}

proptest! {
    #[test]
    fn whoever_is_wanted_is_led_to_alone_and_what_others_have_stays(
        moments in proptest::collection::vec((few_leads(), any::<bool>()), 1..8),
        before in few_tables(),
    ) {
        // 0x100 is the mark of a service that clients use; 0xff and 0x103 are not Weir's.
        let range = range(0x100, 0x102 + 40);
        let mut owned_marks = range.iter();
        let taken = owned_marks.next().unwrap();
        let new = || Leads { taken: [taken].into(), ..Leads::new(range, &[]) };
        let owned = Owned::new(range, []);
        let is_others = |key: &ServiceKey| !owned.owns(key);
        let others: Table = before.clone().into_iter().filter(|(key, _)| is_others(key)).collect();
        let mut leads = new();
        let mut kernel = Kernel::from(Actual { table: before, ..Actual::default() });
        for (wanted, is_restart) in moments {
            if is_restart {
                leads = new();
            }
            let mut known: BTreeMap<Lead, BTreeSet<Mark>> = BTreeMap::new();
            for (lead, mark) in kernel.actual.table.iter().filter_map(|(key, service)| Lead::read(key, service)) {
                if range.contains(mark) && mark != taken {
                    known.entry(lead).or_default().insert(mark);
                }
            }
            leads.assign(&wanted, &kernel.actual.table);
            make(&mut kernel, leads.table(), &owned)?;
            let of_others = kernel.actual.table.clone().into_iter().filter(|(key, _)| is_others(key));
            prop_assert_eq!(of_others.collect::<Table>(), others.clone());
            let mut marks = BTreeSet::new();
            for lead in &wanted {
                let mark = leads.mark(lead).unwrap();
                prop_assert!(range.contains(mark) && mark != taken && marks.insert(mark), "{:?}", lead);
                let service = kernel.actual.table.get(&lead.key(mark)).unwrap();
                prop_assert_eq!(service.destinations.keys().collect::<Vec<_>>(), [&Server::at(lead.server)]);
                let is_kept = known.get(lead).is_none_or(|before| before.contains(&mark));
                prop_assert!(is_kept, "what led there before does so still: no check is interrupted");
            }
            let led = kernel.actual.table.keys().filter(|key| owned.owns(key)).count();
            prop_assert_eq!(led, wanted.len(), "nothing is left behind");
            leads.assign(&wanted, &kernel.actual.table);
            prop_assert_eq!(make(&mut kernel, leads.table(), &owned)?, [], "and then there is nothing to do");
        }
    }
}
