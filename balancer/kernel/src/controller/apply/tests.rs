use super::*;
use crate::model::{Destination, Family, Forwarding, Mark, Marks, OwnedMarks, Service};
use crate::plan::Actual;
use crate::simulated_kernel::SimulatedKernel;

fn key() -> ServiceKey {
    ServiceKey::Marked { family: Family::V4, mark: Mark::new(0x5700_0000).unwrap() }
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
    Table::from([(key(), ServiceEntry { service: Service::new(scheduler.parse().unwrap()), destinations })])
}

fn desired(table: Table) -> Desired {
    Desired::new(OwnedMarks::default(), table, Marks::default()).unwrap()
}

fn kernel(table: Table) -> SimulatedKernel {
    SimulatedKernel::from(Actual { table, ..Actual::default() })
}

fn run(kernel: &mut impl KernelApi, desired: &Desired, refusals: &mut Refusals) -> Applied {
    let before = kernel.read(desired.owned()).unwrap();
    apply(kernel, desired, before, refusals).unwrap()
}

fn weights(kernel: &SimulatedKernel) -> Vec<(u8, u32)> {
    let last = |server: &Server| server.address.to_string().rsplit('.').next().unwrap().parse().unwrap();
    let servers = kernel.actual.table[&key()].destinations.iter();
    servers.map(|(server, destination)| (last(server), destination.weight)).collect()
}

#[test]
fn a_failed_server_is_deleted_even_if_other_changes_of_its_service_are_refused() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.refused_servers.insert(server(255).address);
    let applied = run(&mut kernel, &desired(table("wlc", [(1, 100), (255, 100)])), &mut Refusals::default());
    assert_eq!(weights(&kernel), [(1, 100)]);
    assert_eq!(applied.planned, [Change::DeleteDestination(key(), server(2))]);
    let problem = "the kernel refused to add 10.0.0.255:0 with weight 100 to mark 1459617792: Invalid argument";
    assert!(applied.problem.as_ref().unwrap().starts_with(problem), "{applied:?}");
}

#[test]
fn servers_are_added_and_deleted_while_the_kernel_lacks_the_scheduler() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.missing_schedulers.insert("mh".parse().unwrap());
    let applied = run(&mut kernel, &desired(table("mh", [(1, 100), (3, 10)])), &mut Refusals::default());
    assert_eq!(weights(&kernel), [(1, 100), (3, 10)]);
    assert!(applied.problem.unwrap().ends_with("the kernel has no such scheduler: load its module or choose another"));
}

#[test]
fn the_last_server_keeps_its_weight_if_its_replacement_is_refused() {
    let mut kernel = kernel(table("wlc", [(1, 100), (2, 100)]));
    kernel.refused_servers.insert(server(9).address);
    let to_sorry_server = desired(table("wlc", [(1, 0), (2, 0), (9, 1)]));
    let mut refusals = Refusals::default();
    run(&mut kernel, &to_sorry_server, &mut refusals);
    assert_eq!(weights(&kernel), [(1, 0), (2, 100)]);
    // The kernel accepts it once it is requested again.
    kernel.refused_servers.clear();
    refusals.clear();
    assert_eq!(run(&mut kernel, &to_sorry_server, &mut refusals).problem, None);
    assert_eq!(weights(&kernel), [(1, 0), (2, 0), (9, 1)]);
}

#[test]
fn a_service_without_desired_servers_is_drained_even_if_a_change_is_refused() {
    let mut kernel = kernel(table("wlc", [(1, 100)]));
    kernel.missing_schedulers.insert("mh".parse().unwrap());
    run(&mut kernel, &desired(table("mh", [(1, 0)])), &mut Refusals::default());
    assert_eq!(weights(&kernel), [(1, 0)]);
}

#[test]
fn refused_servers_are_added_to_a_service_that_could_not_be_added() {
    let mut kernel = SimulatedKernel::default();
    kernel.missing_schedulers.insert("mh".parse().unwrap());
    let applied = run(&mut kernel, &desired(table("mh", [(1, 100)])), &mut Refusals::default());
    assert_eq!(kernel.requests.len(), 1, "{:?}", kernel.requests);
    assert_eq!(applied.pending.len(), 2);
}

#[test]
fn a_refused_change_is_requested_once_until_refusals_are_cleared() {
    let mut kernel = kernel(table("wlc", [(1, 100)]));
    kernel.missing_schedulers.insert("mh".parse().unwrap());
    let desired = desired(table("mh", [(1, 100)]));
    let mut refusals = Refusals::default();
    for refused in [1, 0, 0] {
        let applied = run(&mut kernel, &desired, &mut refusals);
        assert_eq!(applied.refusals, refused);
        assert!(applied.problem.is_some() && applied.planned.is_empty(), "{applied:?}");
        assert_eq!(kernel.requests.len(), 1);
    }
    refusals.clear();
    run(&mut kernel, &desired, &mut refusals);
    assert_eq!(kernel.requests.len(), 2);
    // A change that is no longer desired is not a problem.
    let applied = run(&mut kernel, &self::desired(table("wlc", [(1, 100)])), &mut refusals);
    assert_eq!((applied.problem, applied.pending), (None, vec![]));
}

/// A kernel in which another program reverts all changes.
struct Contested(SimulatedKernel);

impl KernelApi for Contested {
    fn read(&mut self, owned: &OwnedMarks) -> Result<Snapshot, netlink::Error> {
        self.0.actual.table = table("wlc", [(1, 100)]);
        KernelApi::read(&mut self.0, owned)
    }

    fn execute(&mut self, change: &Change) -> Result<(), netlink::Error> {
        KernelApi::execute(&mut self.0, change)
    }
}

#[test]
fn changes_that_another_program_reverts_are_repeated_a_few_times() {
    let mut kernel = Contested(SimulatedKernel::default());
    let applied = run(&mut kernel, &desired(table("wlc", [(1, 7)])), &mut Refusals::default());
    assert_eq!((kernel.0.requests.len(), applied.planned.len(), applied.repeated.len()), (ATTEMPTS, 1, ATTEMPTS - 1));
    let problem = "another program keeps reverting `set 10.0.0.1:0 to weight 7 in mark 1459617792`";
    assert_eq!(applied.problem.as_deref(), Some(problem));
}
