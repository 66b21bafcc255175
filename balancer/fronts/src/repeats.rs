//! Clients that go in circles: none of them counts its redirects, so this side has to.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_fleet::Time;

use crate::settings::Repeats as Limit;

/// So many pairs of address and URL are remembered at a time: 64 KiB. Whoever goes in circles comes again within
/// milliseconds, long before others have taken its place.
const SLOTS: usize = 8192;

/// How often each address has asked for each URL lately.
///
/// A slot holds a tag that tells one pair from others, 24 bits; the number of the window, 24 bits; and a count, 16 bits.
/// Of pairs that fall into one slot the last has it. So a pair may be counted too low, and never too high.
#[derive(Debug)]
pub(crate) struct Repeats {
    slots: Box<[AtomicU64]>,
    /// Keyed with random numbers: nobody can make others' pairs fall together.
    hasher: RandomState,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::default()).collect(), hasher: RandomState::new() }
    }
}

impl Repeats {
    /// Counts that a client at `address` asks for `url`; whether it has done so too often.
    pub(super) fn is_too_often(&self, address: IpAddr, url: &str, now: Time, limit: Limit) -> bool {
        let Some(most) = limit.max else { return false };
        let hash = self.hasher.hash_one((address, url));
        let slot = &self.slots[hash as usize % SLOTS];
        let window = now.as_micros() / u64::try_from(limit.window.as_micros()).unwrap_or(u64::MAX).max(1);
        let name = hash >> 40 << 40 | (window & 0xff_ffff) << 16;
        let before = slot.load(Ordering::Relaxed);
        let count = if before & !0xffff == name { (before & 0xffff) as u16 } else { 0 };
        // Two workers that count at the same moment may count one.
        slot.store(name | u64::from(count.saturating_add(1)), Ordering::Relaxed);
        count >= most
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_fleet::testing::at;

    use super::*;

    const LIMIT: Limit = Limit { max: Some(3), window: Duration::from_secs(1) };

    #[test]
    fn who_asks_too_often_for_the_same_is_told_until_the_next_window() {
        let repeats = Repeats::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let asks = |address, url, milliseconds| repeats.is_too_often(address, url, at(milliseconds), LIMIT);
        for millisecond in 0..3 {
            assert!(!asks(one, "/live/a", millisecond));
        }
        assert!(asks(one, "/live/a", 999));
        assert!(!asks(one, "/live/b", 999) && !asks(other, "/live/a", 999), "others are not meant");
        assert!(!asks(one, "/live/a", 1000));
    }

    #[test]
    fn without_a_limit_nobody_asks_too_often() {
        let repeats = Repeats::default();
        let limit = Limit { max: None, ..LIMIT };
        let address = "192.0.2.1".parse().unwrap();
        assert!((0..100_000).all(|_| !repeats.is_too_often(address, "/live/a", at(0), limit)));
    }

    #[test]
    fn counts_do_not_run_over() {
        let repeats = Repeats::default();
        let limit = Limit { max: Some(u16::MAX), ..LIMIT };
        let address = "192.0.2.1".parse().unwrap();
        let often = (0..u32::from(u16::MAX) + 5).filter(|_| repeats.is_too_often(address, "/a", at(0), limit)).count();
        assert_eq!(often, 5);
    }
}
