//! Random numbers of the model, reproducible from a seed.

use std::time::Duration;

use weir_fleet::random::{Random, mix};

/// A sequence of random numbers. Each part of the model has a separate sequence, so that a change in one part does not
/// affect the others: every algorithm gets the same clients.
#[derive(Clone, Debug)]
pub struct Chance(Random);

impl Chance {
    /// Returns the sequence of this seed for one part of the model.
    #[must_use]
    pub fn new(seed: u64, part: u64) -> Self {
        Self(Random::new(mix(seed.wrapping_add(mix(part + 1)))))
    }

    /// Returns any number.
    #[must_use]
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// Returns a number that is at least 0 and less than 1.
    #[must_use]
    pub fn share(&mut self) -> f64 {
        (self.0.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number from 0 to `n` − 1. `n` must not be 0.
    #[must_use]
    pub fn below(&mut self, n: usize) -> usize {
        // Less than n, since the share is less than 1.
        (self.share() * n as f64) as usize
    }

    /// Returns whether an event of this probability happens.
    #[must_use]
    pub fn happens(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// Returns a time with an exponential distribution.
    #[must_use]
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.share()).ln())
    }

    /// Returns the index of one of these shares, with a probability proportional to the share. There must be at least
    /// one.
    #[must_use]
    pub fn one_of(&mut self, shares: impl ExactSizeIterator<Item = f64> + Clone) -> usize {
        let last = shares.len() - 1;
        let mut left = self.share() * shares.clone().sum::<f64>();
        // A remainder from rounding belongs to the last share.
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
    fn an_index_is_drawn_in_proportion_to_its_share() {
        let mut chance = Chance::new(1, 0);
        let mut drawn = [0_u32; 3];
        (0..100_000).for_each(|_| drawn[chance.one_of([0.7, 0.2, 0.1].into_iter())] += 1);
        for (drawn, share) in drawn.iter().zip([0.7, 0.2, 0.1]) {
            assert!((f64::from(*drawn) / 1e5 - share).abs() < 0.01, "{drawn} of {share}");
        }
    }

    #[test]
    fn exponential_times_have_the_given_mean() {
        let mut chance = Chance::new(1, 0);
        let sum: Duration = (0..100_000).map(|_| chance.exponential(Duration::from_secs(3))).sum();
        assert!((sum.as_secs_f64() / 1e5 - 3.0).abs() < 0.05, "{sum:?}");
    }
}
