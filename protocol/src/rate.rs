//! Rate limits on the derivation of keys, which unauthenticated datagrams can cause.
//!
//! All earlier checks cost next to nothing, and the keys of a known salt are cached. Only for an unknown salt keys have
//! to be derived, which takes some microseconds.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// Limits on datagrams with unknown salts. Datagrams beyond them are rejected unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaltLimits {
    /// Maximum from one source (an IPv4 address or an IPv6 /64), per second. Edges behind one address share it while
    /// they join.
    pub per_source: u32,
    /// Maximum from all sources together, per second. A fleet that joins a balancer needs at most two per edge.
    pub total: u32,
}

impl Default for SaltLimits {
    fn default() -> Self {
        Self { per_source: 100, total: 20_000 }
    }
}

/// Number of buckets for sources. Sources whose hashes collide share a bucket; the hash is keyed, so that an attacker
/// cannot choose a collision.
const BUCKETS: usize = 4096;

/// The capacity of a bucket is its rate times this, so that a burst after silence passes.
const BURST: Duration = Duration::from_secs(2);

/// Enforces [`SaltLimits`] by token buckets.
#[derive(Debug)]
pub(crate) struct SaltLimiter {
    limits: SaltLimits,
    total: Bucket,
    sources: Box<[Bucket]>,
    hasher: RandomState,
}

impl SaltLimiter {
    pub(crate) fn new(limits: SaltLimits) -> Self {
        Self { limits, total: Bucket::new(), sources: vec![Bucket::new(); BUCKETS].into(), hasher: RandomState::new() }
    }

    /// Takes a token for one datagram from `source`, and returns whether there was one.
    pub(crate) fn take(&mut self, source: IpAddr, now: Duration) -> bool {
        // The source's own bucket first: a source beyond its limit takes nothing from the others.
        let SaltLimits { per_source, total } = self.limits;
        self.bucket_of(source).take(per_source, now) && self.total.take(total, now)
    }

    fn bucket_of(&mut self, source: IpAddr) -> &mut Bucket {
        let prefix = match source.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                // The highest bit keeps them apart from IPv4.
                (u64::from(a) << 48 | u64::from(b) << 32 | u64::from(c) << 16 | u64::from(d)) | 1 << 63
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is below BUCKETS")]
        let index = (self.hasher.hash_one(prefix) % BUCKETS as u64) as usize;
        &mut self.sources[index]
    }
}

/// A token bucket. Its level is stored as the time at which it will be full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    full_at: Duration,
}

impl Bucket {
    fn new() -> Self {
        Self { full_at: Duration::ZERO }
    }

    /// Takes one token from a bucket that refills at `rate` per second, and returns whether there was one.
    fn take(&mut self, rate: u32, now: Duration) -> bool {
        let refill = Duration::from_secs(1) / rate.max(1);
        let full_at = self.full_at.max(now) + refill;
        let fits = full_at <= now + BURST;
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const SECOND: Duration = Duration::from_secs(1);

    fn passed(limiter: &mut SaltLimiter, source: IpAddr, now: Duration) -> usize {
        (0..10_000).filter(|_| limiter.take(source, now)).count()
    }

    #[test]
    fn a_source_is_limited_to_a_burst_and_then_its_rate_without_affecting_others() {
        let mut limiter = SaltLimiter::new(SaltLimits { per_source: 100, total: 20_000 });
        assert_eq!(passed(&mut limiter, A, SECOND), 200);
        assert_eq!(passed(&mut limiter, A, 2 * SECOND), 100);
        assert_eq!(passed(&mut limiter, B, 2 * SECOND), 200);
    }

    #[test]
    fn all_sources_together_are_limited() {
        let mut limiter = SaltLimiter::new(SaltLimits { per_source: 1000, total: 150 });
        assert_eq!(passed(&mut limiter, A, SECOND), 300);
        assert_eq!(passed(&mut limiter, B, SECOND), 0);
        assert_eq!(passed(&mut limiter, B, 2 * SECOND), 150);
    }

    proptest! {
        #[test]
        fn no_arrival_pattern_exceeds_the_rate_and_one_burst(
            pauses in proptest::collection::vec(0_u64..200, 1..300), rate in 1_u32..50,
        ) {
            let mut limiter = SaltLimiter::new(SaltLimits { per_source: rate, total: 1_000_000 });
            let mut now = SECOND;
            let mut passed = 0_u32;
            for pause in &pauses {
                now += Duration::from_millis(*pause);
                passed += u32::from(limiter.take(A, now));
            }
            let elapsed = (now - SECOND + BURST).as_secs_f64();
            prop_assert!(f64::from(passed) <= elapsed * f64::from(rate) + 1.0, "{} in {} s", passed, elapsed);
        }
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let mut limiter = SaltLimiter::new(SaltLimits { per_source: 100, total: 20_000 });
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(passed(&mut limiter, address("2001:db8::1"), SECOND), 200);
        assert_eq!(passed(&mut limiter, address("2001:db8::2"), SECOND), 0);
        assert_eq!(passed(&mut limiter, address("2001:db8:0:1::1"), SECOND), 200);
    }
}
