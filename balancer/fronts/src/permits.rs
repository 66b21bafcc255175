//! How many connections may be open at a time: in all, and from one address.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Front;

/// Addresses are spread over so many locks, so that workers seldom wait for each other.
const SHARDS: usize = 64;

/// The connections that are open now.
#[derive(Debug)]
pub(crate) struct Permits {
    open: AtomicUsize,
    by_address: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    hasher: RandomState,
}

impl Permits {
    fn shard(&self, address: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let shard = &self.by_address[self.hasher.hash_one(address) as usize % SHARDS];
        // A count is never half done.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Permits {
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
pub(super) struct Permit {
    front: Arc<Front>,
    /// Nothing for one that does not count for its address.
    _of_address: Option<OfAddress>,
}

/// One of the connections that may be open from an address, given back when dropped.
#[derive(Debug)]
pub(super) struct OfAddress {
    front: Arc<Front>,
    counted: IpAddr,
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

impl Permit {
    /// Takes a place for a connection from `address`, or from a proxy, behind which there are many clients.
    pub(super) fn take(front: &Arc<Front>, address: Option<IpAddr>) -> Result<Self, Full> {
        let Permits { open, .. } = &front.shared.permits;
        if open.fetch_add(1, Ordering::Relaxed) >= front.limits().connections {
            open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Connections);
        }
        match address.map(|address| OfAddress::take(front, address)).transpose() {
            Ok(of_address) => {
                front.metrics().open_connections.inc();
                Ok(Self { front: Arc::clone(front), _of_address: of_address })
            }
            Err(full) => {
                open.fetch_sub(1, Ordering::Relaxed);
                Err(full)
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.front.shared.permits.open.fetch_sub(1, Ordering::Relaxed);
        self.front.metrics().open_connections.dec();
    }
}

impl OfAddress {
    /// Takes a place for a connection from `address`, whatever it came through.
    pub(super) fn take(front: &Arc<Front>, address: IpAddr) -> Result<Self, Full> {
        let counted = counted(address);
        let mut shard = front.shared.permits.shard(counted);
        let open = shard.entry(counted).or_default();
        if *open >= front.limits().connections_per_address {
            return Err(Full::Address);
        }
        *open += 1;
        Ok(Self { front: Arc::clone(front), counted })
    }
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        let mut shard = self.front.shared.permits.shard(self.counted);
        if let Some(open) = shard.get_mut(&self.counted) {
            *open -= 1;
            if *open == 0 {
                shard.remove(&self.counted);
            }
        }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since whoever has one address has all that begin with these
/// (RFC 6177, RFC 4291 section 2.5.4).
fn counted(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;

    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Limits, ServerInfo};
    use crate::tests::front_within;

    #[test]
    fn places_are_given_back_and_one_address_cannot_take_them_all() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let front = Arc::new(front_within(limits, ServerInfo::Off));
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let first = Permit::take(&front, Some(one)).unwrap();
        let _second = Permit::take(&front, Some(one)).unwrap();
        assert_eq!(Permit::take(&front, Some(one)).unwrap_err(), Full::Address);
        let third = Permit::take(&front, Some(other)).unwrap();
        assert_eq!(Permit::take(&front, Some(other)).unwrap_err(), Full::Connections);
        drop(first);
        let _fourth = Permit::take(&front, Some(one)).unwrap();
        drop(third);
        assert_eq!(Permit::take(&front, Some(one)).unwrap_err(), Full::Address);
        assert_eq!(front.shared.permits.open.load(Ordering::Relaxed), 2);
        assert!(front.shared.permits.shard(counted(other)).is_empty(), "addresses are forgotten");
    }

    #[test]
    fn one_client_cannot_take_more_by_changing_its_address_within_its_network() {
        let limits = Limits { connections_per_address: 1, ..Limits::default() };
        let front = Arc::new(front_within(limits, ServerInfo::Off));
        let take = |address: &str| Permit::take(&front, Some(address.parse().unwrap()));
        let _one = take("2001:db8::1").unwrap();
        assert_eq!(take("2001:db8::ffff:ffff:ffff:ffff").unwrap_err(), Full::Address);
        let _neighbour = take("2001:db8:0:1::1").unwrap();
        let _other = [take("192.0.2.1").unwrap(), take("192.0.2.2").unwrap()];
    }
}
