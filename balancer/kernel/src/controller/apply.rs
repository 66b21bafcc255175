//! Changes made one by one, and looked at afterwards.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, info};
use weir_program::netlink;

use super::changes;
use crate::kernel::{Snapshot, Steered};
use crate::model::{Owned, Server, ServiceKey, Table, VirtualService};
use crate::plan::{Change, Desired, Subject};

/// How often what there is is planned for anew. Others may be at work: each time they are found to be, there is another.
const ATTEMPTS: usize = 3;

/// What came of it.
#[derive(Debug)]
pub(super) struct Applied {
    /// What there is now.
    pub(super) after: Snapshot,
    /// The changes that were made as planned.
    pub(super) made: Vec<Change>,
    /// Those that were made since somebody else changed the kernel meanwhile.
    pub(super) remade: Vec<Change>,
    /// How many were refused this time.
    pub(super) refusals: u64,
    /// Those that are still to be made: they were refused, or wait for one that was, or somebody undoes them.
    pub(super) left: Vec<Change>,
    /// What could not be done, in one line.
    pub(super) refused: Option<String>,
}

/// What the kernel has refused, and why. The same is not asked for again while it stands here: what is refused for good is
/// refused each time, and for a scheduler that it does not have the kernel starts a program each time.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(Change, String)>);

impl Refusals {
    /// Has everything tried again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn contains(&self, change: &Change) -> bool {
        self.0.iter().any(|(refused, _)| refused == change)
    }
}

/// Makes the kernel, which is as it was `before`, what is desired.
///
/// # Errors
/// That it cannot be read.
pub(super) fn apply(
    kernel: &mut impl Steered,
    desired: &Desired,
    before: Snapshot,
    owned: &Owned,
    refusals: &mut Refusals,
) -> Result<Applied, netlink::Error> {
    let (mut made, mut remade, mut refused) = (Vec::new(), Vec::new(), 0);
    let mut after = before;
    let mut left = changes(desired, &after, owned);
    for number in 0..ATTEMPTS {
        let mut attempt = Attempt::new(desired, &after.actual().table);
        attempt.run(kernel, &left, refusals);
        if attempt.made.is_empty() && attempt.refused == 0 {
            break;
        }
        let so_far = if number == 0 { &mut made } else { &mut remade };
        so_far.append(&mut attempt.made);
        refused += attempt.refused;
        after = kernel.read(owned)?;
        left = changes(desired, &after, owned);
    }
    refusals.0.retain(|(change, _)| left.contains(change));
    let undone =
        || left.first().map(|change| format!("the kernel does not stay as it was told: somebody undoes `{change}`"));
    let complaint = refusals.0.first().map(|(_, complaint)| complaint.clone()).or_else(undone);
    Ok(Applied { after, made, remade, refusals: refused, left, refused: complaint })
}

/// What others have changed since the kernel was told this: all that is to be done for it by now, but what was `left` then.
pub(super) fn drift(told: &Desired, left: &[Change], kernel: &Snapshot, owned: &Owned) -> Vec<Change> {
    changes(told, kernel, owned).into_iter().filter(|change| !left.contains(change)).collect()
}

/// One go at a list of changes.
struct Attempt<'a> {
    desired: &'a Desired,
    /// The servers that get new connections, as of each change.
    live: BTreeMap<ServiceKey, BTreeSet<Server>>,
    /// Services of which something was refused.
    failed: BTreeSet<ServiceKey>,
    /// Services that could not be made.
    missing: BTreeSet<ServiceKey>,
    made: Vec<Change>,
    /// How many were refused.
    refused: u64,
}

impl<'a> Attempt<'a> {
    fn new(desired: &'a Desired, table: &Table) -> Self {
        let live_of = |service: &VirtualService| {
            let live = service.destinations.iter().filter(|(_, destination)| destination.is_live());
            live.map(|(server, _)| *server).collect()
        };
        let live = table.iter().map(|(key, service)| (*key, live_of(service))).collect();
        Self { desired, live, failed: BTreeSet::new(), missing: BTreeSet::new(), made: Vec::new(), refused: 0 }
    }

    fn run(&mut self, kernel: &mut impl Steered, changes: &[Change], refusals: &mut Refusals) {
        for change in changes {
            if refusals.contains(change) {
                self.fail(change);
            } else if !self.waits(change) {
                match kernel.make(change) {
                    Ok(()) => self.succeed(change),
                    Err(error) => {
                        self.fail(change);
                        self.refused += 1;
                        let complaint = format!("the kernel refuses to {change}: {error}{}", hint(change, &error));
                        refusals.0.push((change.clone(), complaint));
                    }
                }
            }
        }
    }

    /// Whether a change has to wait for one that was refused. A server that has failed never does: it is deleted, and
    /// serves nobody. One that is to get no new connections, since others have come, does where they have not.
    fn waits(&self, change: &Change) -> bool {
        match change {
            Change::AddDestination(key, ..) => self.missing.contains(key),
            Change::SetDestination(key, server, destination) if !destination.is_live() => {
                let is_last = self.live.get(key).is_some_and(|live| live.iter().eq([server]));
                let is_to_be_served = self.desired.table.get(key).is_some_and(VirtualService::is_live);
                self.failed.contains(key) && is_last && is_to_be_served
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
        self.made.push(change.clone());
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

/// Weights follow the load all the time; what else changes is worth a line.
fn log(change: &Change) {
    match change {
        Change::SetDestination(_, _, destination) if destination.is_live() => debug!("{change}"),
        _ => info!("{change}"),
    }
}

fn hint(change: &Change, error: &netlink::Error) -> &'static str {
    let is_service = matches!(change, Change::AddService(..) | Change::SetService(..));
    if is_service && error.is_refusal(rustix::io::Errno::NOENT) {
        "; it has no such scheduler: load its module, or choose another"
    } else {
        ""
    }
}
