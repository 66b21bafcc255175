//! Changes made one by one, and looked at afterwards.

use std::collections::BTreeSet;

use tracing::{debug, info};
use weir_program::netlink;

use super::changes;
use crate::ipvs::kernel::{Kernel, Snapshot};
use crate::ipvs::model::{Owned, ServiceKey};
use crate::ipvs::plan::{Change, Desired};

/// How often what there is is planned for anew. Others may be at work: each time they are found to be, there is another;
/// a change that is refused for good is refused each time.
const ATTEMPTS: usize = 3;

/// What came of it.
#[derive(Debug)]
pub(super) struct Applied {
    /// What there is now.
    pub(super) after: Snapshot,
    /// How many changes were made.
    pub(super) made: u64,
    /// What could not be done, in one line.
    pub(super) refused: Option<String>,
}

/// Makes the kernel, which is as it was `before`, what is desired.
///
/// # Errors
/// That it cannot be read.
pub(super) fn apply(
    kernel: &mut Kernel,
    desired: &Desired,
    before: Snapshot,
    owned: &Owned,
) -> Result<Applied, netlink::Error> {
    let mut applied = Applied { after: before, made: 0, refused: None };
    for _ in 0..ATTEMPTS {
        let changes = changes(desired, &applied.after, owned);
        if changes.is_empty() {
            applied.refused = None;
            return Ok(applied);
        }
        // What follows in a service counts on what went before: servers go when others have come.
        let mut failed: BTreeSet<ServiceKey> = BTreeSet::new();
        for change in &changes {
            let key = service(change);
            if key.is_some_and(|key| failed.contains(&key)) {
                continue;
            }
            match kernel.make(change) {
                Ok(()) => {
                    applied.made += 1;
                    log(change);
                }
                Err(error) => {
                    failed.extend(key);
                    applied.refused = Some(format!("the kernel refuses to {change}: {error}{}", hint(change, &error)));
                }
            }
        }
        applied.after = kernel.read(owned)?;
    }
    let left = changes(desired, &applied.after, owned);
    match left.first() {
        None => applied.refused = None,
        Some(change) => {
            let undone = || format!("the kernel does not stay as it was told: somebody undoes `{change}`");
            applied.refused.get_or_insert_with(undone);
        }
    }
    Ok(applied)
}

fn service(change: &Change) -> Option<ServiceKey> {
    match change {
        Change::AddService(key, _)
        | Change::SetService(key, _)
        | Change::DeleteService(key)
        | Change::AddDestination(key, ..)
        | Change::SetDestination(key, ..)
        | Change::DeleteDestination(key, _) => Some(*key),
        _ => None,
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
