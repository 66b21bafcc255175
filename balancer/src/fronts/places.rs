//! How many connections may be open at a time: in all, and from one address.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fronts::Front;

/// Addresses are spread over so many locks, so that workers seldom wait for each other.
const SHARDS: usize = 64;

/// The connections that are open now.
#[derive(Debug)]
pub struct Places {
    open: AtomicUsize,
    by_address: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    hasher: RandomState,
}

impl Places {
    fn shard(&self, address: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let shard = &self.by_address[self.hasher.hash_one(address) as usize % SHARDS];
        // A count is never half done.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            by_address: [(); SHARDS].map(|()| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

/// One of the connections that may be open at a time, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    front: Arc<Front>,
    /// Nothing for one that does not count for its address.
    address: Option<IpAddr>,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// As many are open as may be.
    Connections,
    /// As many are open from this address as may be.
    Address,
}

impl Full {
    /// A stable name for metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Connections => "too-many-connections",
            Self::Address => "too-many-from-address",
        }
    }
}

impl Place {
    /// Takes a place for a connection from `address`, or from a proxy, behind which there are many clients.
    pub(super) fn take(front: &Arc<Front>, address: Option<IpAddr>) -> Result<Self, Full> {
        let Places { open, .. } = &front.shared.places;
        let limits = front.limits();
        if open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Connections);
        }
        if let Some(address) = address {
            let mut shard = front.shared.places.shard(address);
            let from_address = shard.entry(address).or_default();
            if *from_address >= limits.connections_per_address {
                open.fetch_sub(1, Ordering::Relaxed);
                return Err(Full::Address);
            }
            *from_address += 1;
        }
        front.metrics().open_connections.inc();
        Ok(Self { front: Arc::clone(front), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.front.shared.places;
        if let Some(address) = self.address {
            let mut shard = places.shard(address);
            if let Some(count) = shard.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    shard.remove(&address);
                }
            }
        }
        places.open.fetch_sub(1, Ordering::Relaxed);
        self.front.metrics().open_connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Limits, ServerInfo};
    use crate::fronts::tests::front_within;

    #[test]
    fn places_are_given_back_and_one_address_cannot_take_them_all() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let front = Arc::new(front_within(limits, ServerInfo::Off));
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let first = Place::take(&front, Some(one)).unwrap();
        let _second = Place::take(&front, Some(one)).unwrap();
        assert_eq!(Place::take(&front, Some(one)).unwrap_err(), Full::Address);
        let third = Place::take(&front, Some(other)).unwrap();
        assert_eq!(Place::take(&front, Some(other)).unwrap_err(), Full::Connections);
        drop(first);
        let _fourth = Place::take(&front, Some(one)).unwrap();
        drop(third);
        assert_eq!(Place::take(&front, Some(one)).unwrap_err(), Full::Address);
        assert_eq!(front.shared.places.open.load(Ordering::Relaxed), 2);
        assert!(front.shared.places.shard(other).is_empty(), "addresses are forgotten");
    }
}
