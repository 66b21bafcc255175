//! Applies a desired state: change by change, and reads the kernel again to verify the result.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;
use tracing::{debug, info};
use weir_program::netlink;

use crate::kernel::{KernelApi, Snapshot};
use crate::model::{Server, ServiceEntry, ServiceKey, Table};
use crate::plan::{Change, Desired, Subject, plan};

/// Maximum number of plans in a turn. Another is made whenever another program has changed the kernel in between.
const ATTEMPTS: usize = 3;

/// The outcome.
#[derive(Debug)]
pub(super) struct Applied {
    /// State of the kernel afterwards.
    pub(super) after: Snapshot,
    /// The changes of the first plan that were applied.
    pub(super) planned: Vec<Change>,
    /// The changes of further plans that were applied, after changes by other programs in between.
    pub(super) repeated: Vec<Change>,
    /// Number of changes that the kernel refused.
    pub(super) refusals: u64,
    /// The changes that are still missing: they were refused, depend on one that was, or are reverted by another
    /// program.
    pub(super) pending: Vec<Change>,
    /// Why changes are missing, in one line.
    pub(super) problem: Option<String>,
}

/// The changes that the kernel has refused, and the errors. They are not requested again until this is cleared: the
/// kernel would refuse most of them again, and for a scheduler that it lacks, it starts a program every time.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(Change, String)>);

impl Refusals {
    /// Clears all refusals, so that the changes are requested again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn contains(&self, change: &Change) -> bool {
        self.0.iter().any(|(refused, _)| refused == change)
    }
}

/// Brings the kernel from the state `before` to the desired one.
///
/// # Errors
/// [`netlink::Error`] when its state cannot be read.
pub(super) fn apply(
    kernel: &mut impl KernelApi,
    desired: &Desired,
    before: Snapshot,
    refusals: &mut Refusals,
) -> Result<Applied, netlink::Error> {
    let (mut planned, mut repeated, mut refused) = (Vec::new(), Vec::new(), 0);
    let mut after = before;
    let mut pending = plan(desired, &after.actual());
    for number in 0..ATTEMPTS {
        let mut attempt = Attempt::new(desired, &after.actual().table);
        attempt.run(kernel, &pending, refusals);
        if attempt.applied.is_empty() && attempt.refused == 0 {
            break;
        }
        let applied = if number == 0 { &mut planned } else { &mut repeated };
        applied.append(&mut attempt.applied);
        refused += attempt.refused;
        after = kernel.read(desired.owned())?;
        pending = plan(desired, &after.actual());
    }
    refusals.0.retain(|(change, _)| pending.contains(change));
    let reverted = || pending.first().map(|change| format!("another program keeps reverting `{change}`"));
    let problem = refusals.0.first().map(|(_, error)| error.clone()).or_else(reverted);
    Ok(Applied { after, planned, repeated, refusals: refused, pending, problem })
}

/// One run through a list of changes.
struct Attempt<'a> {
    desired: &'a Desired,
    /// The servers that get new connections, as of each change.
    live: BTreeMap<ServiceKey, BTreeSet<Server>>,
    /// Services for which a change was refused.
    failed: BTreeSet<ServiceKey>,
    /// Services that could not be added.
    missing: BTreeSet<ServiceKey>,
    applied: Vec<Change>,
    /// Number of changes that were refused.
    refused: u64,
}

impl<'a> Attempt<'a> {
    fn new(desired: &'a Desired, table: &Table) -> Self {
        let live_of = |service: &ServiceEntry| {
            let live = service.destinations.iter().filter(|(_, destination)| destination.is_live());
            live.map(|(server, _)| *server).collect()
        };
        let live = table.iter().map(|(key, service)| (*key, live_of(service))).collect();
        Self { desired, live, failed: BTreeSet::new(), missing: BTreeSet::new(), applied: Vec::new(), refused: 0 }
    }

    fn run(&mut self, kernel: &mut impl KernelApi, changes: &[Change], refusals: &mut Refusals) {
        for change in changes {
            if refusals.contains(change) {
                self.fail(change);
            } else if !self.must_wait(change) {
                match kernel.execute(change) {
                    Ok(()) => self.succeed(change),
                    Err(error) => {
                        self.fail(change);
                        self.refused += 1;
                        let error = format!("the kernel refused to {change}: {error}{}", hint(change, &error));
                        refusals.0.push((change.clone(), error));
                    }
                }
            }
        }
    }

    /// Returns whether a change must wait for one that was refused. The deletion of a failed server never does, since
    /// the server serves no clients. The last live server of a service keeps its weight until the servers that replace
    /// it are there.
    fn must_wait(&self, change: &Change) -> bool {
        match change {
            Change::AddDestination(key, ..) => self.missing.contains(key),
            Change::SetDestination(key, server, destination) if !destination.is_live() => {
                let is_last = self.live.get(key).is_some_and(|live| live.iter().eq([server]));
                let must_be_live = self.desired.table().get(key).is_some_and(ServiceEntry::is_live);
                self.failed.contains(key) && is_last && must_be_live
            }
            _ => false,
        }
    }

    fn fail(&mut self, change: &Change) {
        if let Change::AddService(key, _) = change {
            self.missing.insert(*key);
        }
        if let Subject::Service(key) | Subject::Destination(key, _) = change.subject() {
            self.failed.insert(key);
        }
    }

    fn succeed(&mut self, change: &Change) {
        log(change);
        self.applied.push(change.clone());
        match change {
            Change::AddDestination(key, server, to) | Change::SetDestination(key, server, to) if to.is_live() => {
                self.live.entry(*key).or_default().insert(*server);
            }
            Change::SetDestination(key, server, _) | Change::DeleteDestination(key, server) => {
                self.live.entry(*key).or_default().remove(server);
            }
            _ => {}
        }
    }
}

/// Logs a change. Weights follow the load and change all the time.
fn log(change: &Change) {
    match change {
        Change::SetDestination(_, _, destination) if destination.is_live() => debug!(%change, "kernel change applied"),
        _ => info!(%change, "kernel change applied"),
    }
}

fn hint(change: &Change, error: &netlink::Error) -> &'static str {
    let is_service = matches!(change, Change::AddService(..) | Change::SetService(..));
    if is_service && error.is_refusal(Errno::NOENT) {
        "; the kernel has no such scheduler: load its module or choose another"
    } else {
        ""
    }
}
