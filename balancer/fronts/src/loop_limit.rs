//! Stops redirect loops: clients do not count the redirects that they follow, so the balancer counts requests.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_fleet::Time;

use crate::settings::Repeats;

/// Pairs of address and URL that are counted at once; they take 64 KiB. A client in a loop comes back within
/// milliseconds, long before another pair overwrites its slot.
const SLOTS: usize = 8192;

/// Counts how often each address has recently requested each URL.
///
/// A slot holds a 24-bit tag of its pair, the number of the window (24 bits), and a count (16 bits). The latest of the
/// pairs that share a slot owns it, so that a count can be too low but never too high.
#[derive(Debug)]
pub(crate) struct LoopLimit {
    slots: Box<[AtomicU64]>,
    /// Keyed at random, so that a client cannot aim at the slots of others.
    hasher: RandomState,
}

impl Default for LoopLimit {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::default()).collect(), hasher: RandomState::new() }
    }
}

impl LoopLimit {
    /// Counts a request for `url`, by its path and query, from `address`. Returns whether it exceeds the limit. The query
    /// counts, because it tells the viewers of one stream behind one address apart if they have tokens.
    pub(crate) fn is_exceeded(&self, address: IpAddr, url: (&str, Option<&str>), now: Time, limit: Repeats) -> bool {
        let Some(max) = limit.max else { return false };
        let hash = self.hasher.hash_one((address, url));
        let slot = &self.slots[hash as usize % SLOTS];
        let window = now.as_micros() / u64::try_from(limit.window.as_micros()).unwrap_or(u64::MAX).max(1);
        let owner = hash >> 40 << 40 | (window & 0xff_ffff) << 16;
        let before = slot.load(Ordering::Relaxed);
        let count = if before & !0xffff == owner { (before & 0xffff) as u16 } else { 0 };
        // Two workers that count at the same moment may count one request.
        slot.store(owner | u64::from(count.saturating_add(1)), Ordering::Relaxed);
        count >= max
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_fleet::testing::at;

    use super::*;

    const LIMIT: Repeats = Repeats { max: Some(3), window: Duration::from_secs(1) };

    #[test]
    fn an_address_that_repeats_a_request_too_often_is_limited_until_the_next_window() {
        let counts = LoopLimit::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let is_exceeded =
            |address, url, milliseconds| counts.is_exceeded(address, (url, None), at(milliseconds), LIMIT);
        for millisecond in 0..3 {
            assert!(!is_exceeded(one, "/live/a", millisecond));
        }
        assert!(is_exceeded(one, "/live/a", 999));
        assert!(!is_exceeded(one, "/live/b", 999), "another URL");
        assert!(!is_exceeded(other, "/live/a", 999), "another address");
        assert!(!is_exceeded(one, "/live/a", 1000));
    }

    #[test]
    fn without_a_limit_a_request_may_be_repeated_at_will() {
        let counts = LoopLimit::default();
        let limit = Repeats { max: None, ..LIMIT };
        let address = "192.0.2.1".parse().unwrap();
        assert!((0..100_000).all(|_| !counts.is_exceeded(address, ("/live/a", None), at(0), limit)));
    }

    #[test]
    fn counts_saturate() {
        let counts = LoopLimit::default();
        let limit = Repeats { max: Some(u16::MAX), ..LIMIT };
        let address = "192.0.2.1".parse().unwrap();
        let exceeded =
            (0..u32::from(u16::MAX) + 5).filter(|_| counts.is_exceeded(address, ("/a", None), at(0), limit)).count();
        assert_eq!(exceeded, 5);
    }
}
