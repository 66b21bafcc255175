//! Limits the number of client connections: in all, and per address.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;

use crate::settings::Limits;

/// Locks over which addresses are spread, so that workers seldom wait for each other.
const SHARDS: usize = 64;

/// The number of connections that hold a permit.
#[derive(Debug)]
pub(crate) struct Permits {
    open: AtomicUsize,
    /// Mirrors `open` in the metrics.
    gauge: IntGauge,
    by_address: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    hasher: RandomState,
}

impl Permits {
    /// No connections yet; `gauge` shows their number.
    pub(crate) fn new(gauge: IntGauge) -> Self {
        Self {
            open: AtomicUsize::new(0),
            gauge,
            by_address: [(); SHARDS].map(|()| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    fn shard(&self, address: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let shard = &self.by_address[self.hasher.hash_one(address) as usize % SHARDS];
        // No update leaves a count inconsistent, so a poisoned lock is usable.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission for one connection; returned when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    /// `None` for a connection that does not count towards its address.
    _address_permit: Option<AddressPermit>,
}

/// Permission for one connection from an address; returned when dropped.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    permits: Arc<Permits>,
    network: IpAddr,
}

/// The limit that a connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// `[limits] connections`.
    Connections,
    /// `[limits] connections_per_address`.
    ConnectionsPerAddress,
}

impl LimitReached {
    /// The `reason` label in the metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Connections => "too-many-connections",
            Self::ConnectionsPerAddress => "too-many-from-address",
        }
    }
}

impl Permit {
    /// Takes a permit for a connection from `address`, or from a proxy (`None`), which stands for many clients.
    pub(crate) fn take(permits: &Arc<Permits>, limits: &Limits, address: Option<IpAddr>) -> Result<Self, LimitReached> {
        if permits.open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            permits.open.fetch_sub(1, Ordering::Relaxed);
            return Err(LimitReached::Connections);
        }
        match address.map(|address| AddressPermit::take(permits, limits, address)).transpose() {
            Ok(address_permit) => {
                permits.gauge.inc();
                Ok(Self { permits: Arc::clone(permits), _address_permit: address_permit })
            }
            Err(limit) => {
                permits.open.fetch_sub(1, Ordering::Relaxed);
                Err(limit)
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.open.fetch_sub(1, Ordering::Relaxed);
        self.permits.gauge.dec();
    }
}

impl AddressPermit {
    /// Takes a permit for a connection from `address`, directly or through a proxy.
    pub(crate) fn take(permits: &Arc<Permits>, limits: &Limits, address: IpAddr) -> Result<Self, LimitReached> {
        let network = network(address);
        let mut shard = permits.shard(network);
        let open = shard.entry(network).or_default();
        if *open >= limits.connections_per_address {
            return Err(LimitReached::ConnectionsPerAddress);
        }
        *open += 1;
        Ok(Self { permits: Arc::clone(permits), network })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut shard = self.permits.shard(self.network);
        if let Some(open) = shard.get_mut(&self.network) {
            *open -= 1;
            if *open == 0 {
                shard.remove(&self.network);
            }
        }
    }
}

/// The part of an address that is counted: for IPv6 the first 64 bits, because a host can use every address within that
/// prefix (RFC 6177, RFC 4291 section 2.5.4).
fn network(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;

    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits() -> Arc<Permits> {
        Arc::new(Permits::new(IntGauge::new("open", "Open connections.").unwrap()))
    }

    #[test]
    fn permits_are_returned_and_one_address_cannot_take_them_all() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let permits = permits();
        let take = |address| Permit::take(&permits, &limits, Some(address));
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let first = take(one).unwrap();
        let _second = take(one).unwrap();
        assert_eq!(take(one).unwrap_err(), LimitReached::ConnectionsPerAddress);
        let third = take(other).unwrap();
        assert_eq!(take(other).unwrap_err(), LimitReached::Connections);
        drop(first);
        let _fourth = take(one).unwrap();
        drop(third);
        assert_eq!(take(one).unwrap_err(), LimitReached::ConnectionsPerAddress);
        assert_eq!(permits.open.load(Ordering::Relaxed), 2);
        let shard = permits.shard(network(other));
        assert!(!shard.contains_key(&network(other)), "an address without connections takes no memory");
    }

    #[test]
    fn a_client_cannot_exceed_its_limit_with_other_addresses_of_its_network() {
        let limits = Limits { connections_per_address: 1, ..Limits::default() };
        let permits = permits();
        let take = |address: &str| Permit::take(&permits, &limits, Some(address.parse().unwrap()));
        let _one = take("2001:db8::1").unwrap();
        assert_eq!(take("2001:db8::ffff:ffff:ffff:ffff").unwrap_err(), LimitReached::ConnectionsPerAddress);
        let _neighbour = take("2001:db8:0:1::1").unwrap();
        let _other = [take("192.0.2.1").unwrap(), take("192.0.2.2").unwrap()];
    }
}
