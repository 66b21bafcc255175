//! How often a stranger may make the balancer derive keys.
//!
//! Everything that is checked before costs next to nothing, and a datagram under a salt that is known is checked with keys
//! at hand. Only for an unknown salt keys have to be derived, which takes some microseconds.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// How many unknown salts are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaltLimits {
    /// From one source (an IPv4 address, or a /64 of IPv6), per second. Edges behind one address share it while they join.
    pub per_source: u32,
    /// From all sources together, per second. A fleet that joins a balancer anew needs two for each edge at most.
    pub total: u32,
}

impl Default for SaltLimits {
    fn default() -> Self {
        Self { per_source: 100, total: 20_000 }
    }
}

/// Buckets for sources. Sources that fall into one share it; which do, nobody outside can tell.
const BUCKETS: usize = 4096;

/// A bucket holds what its rate gives in this time, so that a burst after silence passes.
const BURST: Duration = Duration::from_secs(2);

/// Counts unknown salts against their limits.
#[derive(Debug)]
pub(crate) struct Salts {
    limits: SaltLimits,
    total: Bucket,
    sources: Box<[Bucket]>,
    hasher: RandomState,
}

impl Salts {
    pub(crate) fn new(limits: SaltLimits) -> Self {
        Self { limits, total: Bucket::new(), sources: vec![Bucket::new(); BUCKETS].into(), hasher: RandomState::new() }
    }

    /// Whether one more from `source` may be looked at now.
    pub(crate) fn take(&mut self, source: IpAddr, now: Duration) -> bool {
        // First the source's own: who is over it takes nothing from the others.
        let SaltLimits { per_source, total } = self.limits;
        self.source(source).take(per_source, now) && self.total.take(total, now)
    }

    fn source(&mut self, source: IpAddr) -> &mut Bucket {
        let prefix = match source.to_canonical() {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                // The highest bit keeps them apart from IPv4's.
                (u64::from(a) << 48 | u64::from(b) << 32 | u64::from(c) << 16 | u64::from(d)) | 1 << 63
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is below BUCKETS")]
        let index = (self.hasher.hash_one(prefix) % BUCKETS as u64) as usize;
        &mut self.sources[index]
    }
}

/// A token bucket. What it holds is kept as the time at which it would be full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    full_at: Duration,
}

impl Bucket {
    fn new() -> Self {
        Self { full_at: Duration::ZERO }
    }

    /// Takes one token out of a bucket that fills at `rate` per second, if there is one.
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

    fn passed(salts: &mut Salts, source: IpAddr, now: Duration) -> usize {
        (0..10_000).filter(|_| salts.take(source, now)).count()
    }

    #[test]
    fn a_source_gets_its_burst_and_then_its_rate_and_takes_nothing_from_others() {
        let mut salts = Salts::new(SaltLimits { per_source: 100, total: 20_000 });
        assert_eq!(passed(&mut salts, A, SECOND), 200);
        assert_eq!(passed(&mut salts, A, 2 * SECOND), 100);
        assert_eq!(passed(&mut salts, B, 2 * SECOND), 200);
    }

    #[test]
    fn all_sources_together_are_limited_too() {
        let mut salts = Salts::new(SaltLimits { per_source: 1000, total: 150 });
        assert_eq!(passed(&mut salts, A, SECOND), 300);
        assert_eq!(passed(&mut salts, B, SECOND), 0);
        assert_eq!(passed(&mut salts, B, 2 * SECOND), 150);
    }

    proptest! {
        #[test]
        fn whatever_the_rhythm_no_more_pass_than_the_rate_and_one_burst(
            pauses in proptest::collection::vec(0_u64..200, 1..300), rate in 1_u32..50,
        ) {
            let mut salts = Salts::new(SaltLimits { per_source: rate, total: 1_000_000 });
            let mut now = SECOND;
            let mut passed = 0_u32;
            for pause in &pauses {
                now += Duration::from_millis(*pause);
                passed += u32::from(salts.take(A, now));
            }
            let elapsed = (now - SECOND + BURST).as_secs_f64();
            prop_assert!(f64::from(passed) <= elapsed * f64::from(rate) + 1.0, "{} in {} s", passed, elapsed);
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let mut salts = Salts::new(SaltLimits { per_source: 100, total: 20_000 });
        let address = |text: &str| text.parse().unwrap();
        assert_eq!(passed(&mut salts, address("2001:db8::1"), SECOND), 200);
        assert_eq!(passed(&mut salts, address("2001:db8::2"), SECOND), 0);
        assert_eq!(passed(&mut salts, address("2001:db8:0:1::1"), SECOND), 200);
    }
}
