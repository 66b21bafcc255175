//! Draining servers and their deadlines.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use weir_fleet::Time;

/// Tolerance for the deadline of a drain that ended in a pause: the agent's final report may have arrived faster than
/// the one that announced the deadline.
const TOLERANCE: Duration = Duration::from_secs(1);

/// When each draining server began to drain, and the deadlines that operators have set.
#[derive(Debug, Default)]
pub(super) struct Drains {
    since: BTreeMap<IpAddr, Time>,
    deadlines: BTreeMap<IpAddr, Time>,
}

impl Drains {
    /// The deadline of a server that may take `drain`, counted from the first call for this server.
    pub(super) fn deadline(&mut self, server: IpAddr, now: Time, drain: Duration) -> Time {
        self.deadlines.remove(&server);
        *self.since.entry(server).or_insert(now) + drain
    }

    /// Records the deadline that the operator has set, and returns it.
    pub(super) fn set_deadline(&mut self, server: IpAddr, deadline: Time) -> Time {
        self.deadlines.insert(server, deadline);
        deadline
    }

    /// Returns whether the deadline of a server that is paused now has passed: a drain ends in a pause. A server that
    /// is paused before its deadline is no longer draining.
    pub(super) fn has_expired(&mut self, server: IpAddr, now: Time) -> bool {
        let has_expired = self.deadlines.get(&server).is_some_and(|deadline| *deadline <= now + TOLERANCE);
        if !has_expired {
            self.deadlines.remove(&server);
        }
        has_expired
    }

    /// Keeps the servers for which `is_draining` holds.
    pub(super) fn retain(&mut self, is_draining: impl Fn(&IpAddr) -> bool) {
        self.since.retain(|server, _| is_draining(server));
        self.deadlines.retain(|server, _| is_draining(server));
    }
}
