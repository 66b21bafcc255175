use super::*;
use crate::model::{Destination, Family, Forwarding, Mark, MarkRange, Service};
use crate::plan::Actual;
use crate::rehearsal::{Kernel, snapshot};

fn key() -> ServiceKey {
    ServiceKey::Marked { family: Family::V4, mark: Mark::new(0x5700_0000).unwrap() }
}

fn owned() -> Owned {
    Owned::new(MarkRange::DEFAULT, [])
}

fn server(last: u8) -> Server {
    Server::at([10, 0, 0, last].into())
}

fn routed(weight: u32) -> Destination {
    Destination::new(Forwarding::DirectRoute, weight)
}

/// One service, with servers of these weights.
fn table<const SERVERS: usize>(scheduler: &str, servers: [(u8, u32); SERVERS]) -> Table {
    let destinations = servers.map(|(last, weight)| (server(last), routed(weight))).into();
    Table::from([(key(), VirtualService { service: Service::new(scheduler.parse().unwrap()), destinations })])
}

fn desired(table: Table) -> Desired {
    Desired { table, ..Desired::default() }
}

fn kernel(table: Table) -> Kernel {
    Kernel::from(Actual { table, ..Actual::default() })
}

fn look(kernel: &mut impl Steered, desired: &Desired, refusals: &mut Refusals) -> Applied {
    let before = kernel.read(&owned()).unwrap();
    apply(kernel, desired, before, &owned(), refusals).unwrap()
}

fn weights(kernel: &Kernel) -> Vec<(u8, u32)> {
    let last = |server: &Server| server.address.to_string().rsplit('.').next().unwrap().parse().unwrap();
    let servers = kernel.actual.table[&key()].destinations.iter();
    servers.map(|(server, destination)| (last(server), destination.weight)).collect()
}

#[test]
fn a_server_that_has_failed_goes_whatever_else_of_its_service_is_refused() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.no_servers.insert(server(255).address);
    let applied = look(&mut kernel, &desired(table("wlc", [(1, 100), (255, 100)])), &mut Refusals::default());
    assert_eq!(weights(&kernel), [(1, 100)]);
    assert_eq!(applied.made, [Change::DeleteDestination(key(), server(2))]);
    let complaint = "the kernel refuses to add 10.0.0.255:0 with weight 100 to mark 1459617792: Invalid argument";
    assert!(applied.refused.as_ref().unwrap().starts_with(complaint), "{applied:?}");
}

#[test]
fn servers_come_and_go_while_the_kernel_lacks_the_scheduler() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.no_schedulers.insert("mh".parse().unwrap());
    let applied = look(&mut kernel, &desired(table("mh", [(1, 100), (3, 10)])), &mut Refusals::default());
    assert_eq!(weights(&kernel), [(1, 100), (3, 10)]);
    assert!(applied.refused.unwrap().ends_with("it has no such scheduler: load its module, or choose another"));
}

#[test]
fn the_last_server_keeps_its_weight_when_who_is_to_take_over_is_refused() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.no_servers.insert(server(9).address);
    let to_sorry_server = desired(table("wlc", [(1, 0), (2, 0), (9, 1)]));
    let mut refusals = Refusals::default();
    look(&mut kernel, &to_sorry_server, &mut refusals);
    assert_eq!(weights(&kernel), [(1, 0), (2, 100)]);
    // The kernel takes it after all, once it is asked again.
    kernel.no_servers.clear();
    refusals.forget();
    assert_eq!(look(&mut kernel, &to_sorry_server, &mut refusals).refused, None);
    assert_eq!(weights(&kernel), [(1, 0), (2, 0), (9, 1)]);
}

#[test]
fn an_emptied_service_is_emptied_though_something_is_refused() {
    let mut kernel = kernel(table("wlc", [(1, 100)]));
    kernel.no_schedulers.insert("mh".parse().unwrap());
    look(&mut kernel, &desired(table("mh", [(1, 0)])), &mut Refusals::default());
    assert_eq!(weights(&kernel), [(1, 0)]);
}

#[test]
fn nothing_is_added_to_a_service_that_could_not_be_made() {
    let mut kernel = Kernel::default();
    kernel.no_schedulers.insert("mh".parse().unwrap());
    let applied = look(&mut kernel, &desired(table("mh", [(1, 100)])), &mut Refusals::default());
    assert_eq!(kernel.told.len(), 1, "{:?}", kernel.told);
    assert_eq!(applied.left.len(), 2);
}

#[test]
fn what_is_refused_is_asked_for_once_until_it_is_forgotten() {
    let mut kernel = kernel(table("wlc", [(1, 100)]));
    kernel.no_schedulers.insert("mh".parse().unwrap());
    let desired = desired(table("mh", [(1, 100)]));
    let mut refusals = Refusals::default();
    for refused in [1, 0, 0] {
        let applied = look(&mut kernel, &desired, &mut refusals);
        assert_eq!(applied.refusals, refused);
        assert!(applied.refused.is_some() && applied.made.is_empty(), "{applied:?}");
        assert_eq!(kernel.told.len(), 1);
    }
    refusals.forget();
    look(&mut kernel, &desired, &mut refusals);
    assert_eq!(kernel.told.len(), 2);
    // What is not wished for any more is nothing to complain of.
    let applied = look(&mut kernel, &self::desired(table("wlc", [(1, 100)])), &mut refusals);
    assert_eq!((applied.refused, applied.left), (None, vec![]));
}

#[test]
fn what_was_refused_is_not_what_somebody_else_has_changed() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.no_servers.insert(server(255).address);
    let desired = desired(table("wlc", [(1, 100), (2, 100), (255, 100)]));
    let left = look(&mut kernel, &desired, &mut Refusals::default()).left;
    let found = |kernel: &Kernel| drift(&desired, &left, &snapshot(&kernel.actual, &owned()), &owned());
    assert_eq!(found(&kernel), []);
    kernel.make(&Change::DeleteDestination(key(), server(2))).unwrap();
    assert_eq!(found(&kernel), [Change::AddDestination(key(), server(2), routed(100))]);
}

/// A kernel that somebody else puts back again and again.
struct Contested(Kernel);

impl Steered for Contested {
    fn read(&mut self, owned: &Owned) -> Result<Snapshot, netlink::Error> {
        self.0.actual.table = table("wlc", [(1, 100)]);
        Steered::read(&mut self.0, owned)
    }

    fn make(&mut self, change: &Change) -> Result<(), netlink::Error> {
        Steered::make(&mut self.0, change)
    }
}

#[test]
fn a_kernel_that_does_not_stay_as_it_was_told_is_told_a_few_times() {
    let mut kernel = Contested(Kernel::default());
    let applied = look(&mut kernel, &desired(table("wlc", [(1, 7)])), &mut Refusals::default());
    assert_eq!((kernel.0.told.len(), applied.made.len(), applied.remade.len()), (ATTEMPTS, 1, ATTEMPTS - 1));
    let complaint =
        "the kernel does not stay as it was told: somebody undoes `set 10.0.0.1:0 to weight 7 in mark 1459617792`";
    assert_eq!(applied.refused.as_deref(), Some(complaint));
}
