//! Servers that are being emptied, and until when.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::fleet::Time;

/// Since when each server is being emptied.
#[derive(Debug, Default)]
pub(super) struct Leaving(BTreeMap<IpAddr, Time>);

impl Leaving {
    /// Until when this one may keep connections, which it has from the first time on that this is asked.
    pub(super) fn until(&mut self, server: IpAddr, now: Time, drain: Duration) -> Time {
        *self.0.entry(server).or_insert(now) + drain
    }

    /// Forgets all that are not being emptied any more.
    pub(super) fn forget(&mut self, is_leaving: impl Fn(&IpAddr) -> bool) {
        self.0.retain(|server, _| is_leaving(server));
    }
}
