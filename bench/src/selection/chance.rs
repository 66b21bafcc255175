//! Random numbers as the model needs them: the same for the same seed.

use std::time::Duration;

use weir_fleet::random::{Random, mix};

/// A sequence of chances. What is independent draws from sequences of its own, so that a change in one part of the model
/// leaves the luck of the others as it was: every contender meets the same clients.
#[derive(Clone, Debug)]
pub struct Chance(Random);

impl Chance {
    /// The sequence of this seed for one part of the model.
    #[must_use]
    pub fn new(seed: u64, part: u64) -> Self {
        Self(Random::new(mix(seed.wrapping_add(mix(part + 1)))))
    }

    /// Any number.
    #[must_use]
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// At least 0 and less than 1.
    #[must_use]
    pub fn share(&mut self) -> f64 {
        (self.0.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to below `n`, which must not be 0.
    #[must_use]
    pub fn below(&mut self, n: usize) -> usize {
        // Below n, since the share is below 1.
        (self.share() * n as f64) as usize
    }

    /// Whether something happens that does in such a share of cases.
    #[must_use]
    pub fn happens(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// An exponential time.
    #[must_use]
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.share()).ln())
    }

    /// The place of one of these shares, each as likely as it is large. There must be one.
    #[must_use]
    pub fn one_of(&mut self, shares: impl ExactSizeIterator<Item = f64> + Clone) -> usize {
        let last = shares.len() - 1;
        let mut left = self.share() * shares.clone().sum::<f64>();
        // What rounding leaves is the last one's.
        shares
            .into_iter()
            .position(|share| {
                left -= share;
                left < 0.0
            })
            .unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_as_likely_as_its_share() {
        let mut chance = Chance::new(1, 0);
        let mut drawn = [0_u32; 3];
        (0..100_000).for_each(|_| drawn[chance.one_of([0.7, 0.2, 0.1].into_iter())] += 1);
        for (drawn, share) in drawn.iter().zip([0.7, 0.2, 0.1]) {
            assert!((f64::from(*drawn) / 1e5 - share).abs() < 0.01, "{drawn} of {share}");
        }
    }

    #[test]
    fn times_are_as_long_as_told_on_average() {
        let mut chance = Chance::new(1, 0);
        let sum: Duration = (0..100_000).map(|_| chance.exponential(Duration::from_secs(3))).sum();
        assert!((sum.as_secs_f64() / 1e5 - 3.0).abs() < 0.05, "{sum:?}");
    }
}
