//! Decides the desired state of the kernel from an observation. Pure.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use weir_fleet::Time;

use super::observe::Observation;
use crate::desired::{DecisionInput, ServiceDecision, ServicePolicy};
use crate::directors::{must_release_addresses, sync_daemons};
use crate::kernel::Snapshot;
use crate::model::{Marks, OwnedMarks, Role, Timeouts};
use crate::plan::{Change, Desired, NotOwned, plan};
use crate::settings::{Directors, OnExit, Settings, VirtualService};

/// How long a master without servers leaves the kernel unchanged, so that keepalived can release the addresses. It does
/// so at once.
const RELEASE_GRACE: Duration = Duration::from_secs(1);

/// Decides the desired state of the kernel over time.
#[derive(Debug)]
pub(super) struct Policy {
    services: Vec<ServicePolicy>,
    owned: OwnedMarks,
    packet_marks: Marks,
    timeouts: Option<Timeouts>,
    directors: Option<Directors>,
    /// The desired state that was last applied; `None` if it is unknown.
    applied: Option<Desired>,
    /// The changes that were still missing then.
    pending: Vec<Change>,
    /// Since when this director has waited for keepalived to release the addresses.
    releasing_since: Option<Time>,
}

/// A decision.
#[derive(Debug)]
pub(super) struct Decision {
    /// The changes that revert what other programs have changed since the last desired state was applied.
    pub(super) drift: Vec<Change>,
    /// Desired state of the kernel.
    pub(super) desired: Desired,
    /// The desired state of each service, with its reasons, in the order of the services.
    pub(super) services: Vec<ServiceDecision>,
    /// Whether changes must wait until keepalived has released the addresses.
    pub(super) is_held_back: bool,
}

impl Policy {
    /// The policy for these settings. Servers that join others ramp up over `ramp`.
    pub(super) fn new(settings: &Settings, ramp: Duration) -> Self {
        let of = |service: &VirtualService| ServicePolicy::new(service.clone(), ramp);
        Self {
            services: settings.services.iter().map(of).collect(),
            owned: settings.owned.clone(),
            packet_marks: settings.packet_marks.clone(),
            timeouts: settings.timeouts,
            directors: settings.directors.clone(),
            applied: None,
            pending: Vec::new(),
            releasing_since: None,
        }
    }

    /// Decides.
    ///
    /// # Errors
    /// [`NotOwned`] when the desired state has a service or mark that is not Weir's.
    pub(super) fn decide(&mut self, observation: &Observation) -> Result<Decision, NotOwned> {
        let Observation { now, ref kernel, role, is_settled, .. } = *observation;
        let drift = self.drift(kernel);
        let policies = self.services.iter_mut().zip(&observation.servers);
        let decide = |(policy, servers): (&mut ServicePolicy, _)| {
            policy.decide(&DecisionInput { now, servers, kernel, is_settled })
        };
        let services: Vec<_> = policies.map(decide).collect();
        let table = services.iter().flat_map(|service| service.table.clone());
        let table = table.chain(observation.probe_services.clone()).collect();
        let mut desired = Desired::new(self.owned.clone(), table, self.packet_marks.clone())?;
        desired.daemons = self.directors.as_ref().and_then(|directors| sync_daemons(directors, role));
        desired.timeouts = self.timeouts;
        let is_held_back = if must_release_addresses(role, services.iter().map(|service| &service.table), kernel) {
            now - *self.releasing_since.get_or_insert(now) < RELEASE_GRACE
        } else {
            self.releasing_since = None;
            false
        };
        Ok(Decision { drift, desired, services, is_held_back })
    }

    /// Records that a desired state was applied, except for the `pending` changes.
    pub(super) fn set_applied(&mut self, desired: Desired, pending: Vec<Change>) {
        (self.applied, self.pending) = (Some(desired), pending);
    }

    /// Records that the last desired state is unknown, for example because IPVS may have been loaded again.
    pub(super) fn forget_applied(&mut self) {
        self.applied = None;
    }

    /// Returns whether this director is to release the addresses because it has no servers.
    pub(super) fn is_releasing(&self) -> bool {
        self.releasing_since.is_some()
    }

    /// The desired state after the balancer has stopped; `None` to leave the kernel unchanged.
    pub(super) fn on_exit(&self, on_exit: OnExit, role: Option<Role>) -> Option<Desired> {
        let mut desired = self.applied.clone()?;
        desired.daemons = self.directors.as_ref().and_then(|directors| sync_daemons(directors, role));
        match on_exit {
            OnExit::Keep => None,
            OnExit::Drain => {
                // Probe services are not kept: no server is checked any more.
                let kept: BTreeSet<_> = self.services.iter().flat_map(|policy| policy.service().keys()).collect();
                Some(desired.drained(|key| kept.contains(key)))
            }
            OnExit::Remove => {
                let mut empty = Desired::empty(self.owned.clone());
                empty.daemons = desired.daemons.map(|_| BTreeMap::new());
                Some(empty)
            }
        }
    }

    /// The changes that lead back to the last desired state, except for those that were pending.
    fn drift(&self, kernel: &Snapshot) -> Vec<Change> {
        let Some(applied) = &self.applied else { return Vec::new() };
        let changes = plan(applied, &kernel.actual()).into_iter();
        changes.filter(|change| !self.pending.contains(change)).collect()
    }
}
