//! Servers that are being emptied, and until when.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use weir_fleet::Time;

/// An agent's report that a drain is over may be so much faster than the one that said when it will be.
const LEAD: Duration = Duration::from_secs(1);

/// Since when each server is being emptied, and until when its operator lets it be.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    since: BTreeMap<IpAddr, Time>,
    deadlines: BTreeMap<IpAddr, Time>,
}

impl Leaving {
    /// Until when this one may keep connections, which it has from the first time on that this is asked.
    pub(super) fn until(&mut self, server: IpAddr, now: Time, drain: Duration) -> Time {
        self.deadlines.remove(&server);
        *self.since.entry(server).or_insert(now) + drain
    }

    /// This one may keep connections until its operator's deadline.
    pub(super) fn by(&mut self, server: IpAddr, deadline: Time) -> Time {
        self.deadlines.insert(server, deadline);
        deadline
    }

    /// Whether this one, which is paused, was to be empty by now: a drain ends in a pause. One that is paused ahead of its
    /// deadline is drained no more.
    pub(super) fn is_over(&mut self, server: IpAddr, now: Time) -> bool {
        let is_over = self.deadlines.get(&server).is_some_and(|deadline| *deadline <= now + LEAD);
        if !is_over {
            self.deadlines.remove(&server);
        }
        is_over
    }

    /// Forgets all that are not being emptied any more.
    pub(super) fn forget(&mut self, is_leaving: impl Fn(&IpAddr) -> bool) {
        self.since.retain(|server, _| is_leaving(server));
        self.deadlines.retain(|server, _| is_leaving(server));
    }
}
