//! An estimate of the number of accepted connections, from the number of current ones.
//!
//! The connections accepted between two readings are the rise plus those that ended in between. The latter are the
//! current connections divided by their mean lifetime, which can be learned from the readings alone: when clients
//! arrive and leave independently of each other (a Poisson process), the number of connections fluctuates more, the
//! more of them arrive and leave. Its changes within a time t have the mean (arrivals − departures) × t and the
//! variance (arrivals + departures) × t, where arrivals and departures are rates; so both follow from the readings.
//!
//! The variance is computed from the differences between successive changes, in which steady growth or decline cancels
//! out (von Neumann's mean square successive difference, 1941).

use std::time::Duration;

/// Time constant of the averages, in seconds: with two readings per second, the lifetime is learned to within some 10
/// %.
const MEMORY: f64 = 120.0;

/// Seconds of readings after which the learned lifetime is used. It is accurate to some 30 % then, which is better than
/// none.
const LEARNED: f64 = 15.0;

/// The load counts as steady while its growth or decline is at most this share of the turnover. Otherwise departures
/// would be the small difference of two large numbers.
const STEADY: f64 = 0.25;

/// A change whose square exceeds the variance by this factor (four standard deviations) is an outlier, and has less
/// weight the larger it is: a flash crowd, or thousands of clients that leave at once because a publisher stops, say
/// nothing about the lifetime of sessions. Of regular readings one in 16,000 is an outlier.
const OUTLIER: f64 = 16.0;

/// Maximum by which the estimate may fall below the total. The total never falls, and rises only after the estimate has
/// caught up. By random fluctuation a steady load falls by more than this once in e¹⁰ = 22,000 times; after a mass
/// departure at most this many arrivals are not counted.
const MAX_DEBT: f64 = 10.0;

/// An estimator of accepted connections.
#[derive(Debug, Default)]
pub(crate) struct Estimator {
    total: u64,
    /// The estimate minus the total: less than one, or negative.
    rest: f64,
    last: Option<Last>,
    learned: Learned,
}

/// The last reading.
#[derive(Clone, Copy, Debug)]
struct Last {
    now: Duration,
    connections: f64,
    /// Seconds since the reading before, and the change per second; `None` for the first reading.
    change: Option<(f64, f64)>,
}

impl Estimator {
    /// Returns the total after a reading of the number of connections. Those of the first reading count as accepted.
    ///
    /// `now` is monotonic time, from any origin.
    pub(crate) fn observe(&mut self, connections: u64, now: Duration) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "there are no 2^53 connections")]
        let count = connections as f64;
        let Some(last) = self.last else {
            self.last = Some(Last { now, connections: count, change: None });
            self.total = connections;
            return self.total;
        };
        let seconds = now.saturating_sub(last.now).as_secs_f64();
        let ended = self.learned.ends_per_second(last.connections) * seconds;
        self.add(count - last.connections + ended);
        // Two readings at the same time have no rate of change; the later one replaces the earlier.
        let change = (seconds > 0.0).then(|| (seconds, (count - last.connections) / seconds));
        if let (Some(before), Some(change)) = (last.change, change) {
            self.learned.observe(before, change, f64::midpoint(last.connections, count));
        }
        self.last = Some(Last { now: now.max(last.now), connections: count, change: change.or(last.change) });
        self.total
    }

    fn add(&mut self, rise: f64) {
        self.rest = (self.rest + rise).max(-MAX_DEBT);
        let whole = self.rest.floor().max(0.0);
        self.rest -= whole;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
        let whole = whole as u64;
        self.total = self.total.saturating_add(whole);
    }
}

/// What the readings show about the lifetime of connections. All are averages in which later readings have more weight.
#[derive(Clone, Copy, Debug, Default)]
struct Learned {
    /// Weight of the readings so far, in seconds.
    weight: f64,
    /// Mean number of connections.
    connections: f64,
    /// Arrivals plus departures per second.
    turnover: f64,
    /// Arrivals minus departures per second.
    growth: f64,
    /// The share of the connections that ends per second, the inverse of their mean lifetime; `None` until learned.
    end_rate: Option<f64>,
}

impl Learned {
    fn ends_per_second(&self, connections: f64) -> f64 {
        self.end_rate.unwrap_or(0.0) * connections
    }

    /// Adds a change and the one before it. Each is a time in seconds, and the change per second within it.
    fn observe(&mut self, before: (f64, f64), change: (f64, f64), connections: f64) {
        let (seconds, per_second) = change;
        let turnover = (per_second - before.1).powi(2) / (1.0 / before.0 + 1.0 / seconds);
        // Two clients at once are never an outlier.
        let expected = (self.turnover * OUTLIER).max(2.0 / seconds);
        let excess = turnover.max(per_second * per_second * seconds) / expected;
        let weight = seconds / excess.max(1.0);
        self.weight = self.weight * (-weight / MEMORY).exp() + weight;
        let share = weight / self.weight;
        self.turnover += (turnover - self.turnover) * share;
        self.growth += (per_second - self.growth) * share;
        self.connections += (connections - self.connections) * share;
        let is_steady = self.growth.abs() <= self.turnover * STEADY;
        if self.weight >= LEARNED && self.connections > 0.0 && is_steady {
            self.end_rate = Some((self.turnover - self.growth) / 2.0 / self.connections);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READING: Duration = Duration::from_millis(500);

    /// Clients that arrive at random and stay for an exponentially distributed time.
    struct Load {
        estimator: Estimator,
        now: Duration,
        connections: u64,
        accepted: u64,
        lifetime: f64,
        random: u64,
    }

    impl Load {
        fn new(lifetime: f64) -> Self {
            let estimator = Estimator::default();
            Self { estimator, now: Duration::ZERO, connections: 0, accepted: 0, lifetime, random: 1 }
        }

        /// Returns a random number between 0 and 1 (xorshift64*).
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        fn random(&mut self) -> f64 {
            self.random ^= self.random >> 12;
            self.random ^= self.random << 25;
            self.random ^= self.random >> 27;
            (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Simulates `seconds` with `per_second` arrivals; returns the actual and the estimated number of arrivals.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        fn run(&mut self, seconds: u32, per_second: f64) -> (f64, f64) {
            let start = (self.accepted, self.estimator.observe(self.connections, self.now));
            // So short that two events rarely fall into one step.
            let step = READING / 100;
            for index in 1..=seconds * 200 {
                self.now += step;
                // With many arrivals, several fall into one step.
                let expected = per_second * step.as_secs_f64();
                for _ in 0..16 {
                    if self.random() < expected / 16.0 {
                        self.accepted += 1;
                        self.connections += 1;
                    }
                }
                let leaving = self.connections as f64 * step.as_secs_f64() / self.lifetime;
                for _ in 0..16 {
                    if self.random() < leaving / 16.0 {
                        self.connections = self.connections.saturating_sub(1);
                    }
                }
                // Plus a reading for each report, soon after another one.
                if index % 100 == 0 || index % 500 == 4 {
                    self.estimator.observe(self.connections, self.now);
                }
            }
            let end = self.estimator.observe(self.connections, self.now);
            ((self.accepted - start.0) as f64, (end - start.1) as f64)
        }
    }

    #[track_caller]
    fn assert_within(share: f64, (actual, estimated): (f64, f64)) {
        assert!((estimated - actual).abs() <= share * actual, "{estimated} instead of {actual}");
    }

    #[test]
    fn arrivals_are_estimated_while_the_number_of_connections_stays_level() {
        for (lifetime, per_second) in [(5.0, 20.0), (60.0, 20.0), (600.0, 2.0)] {
            let mut load = Load::new(lifetime);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
            let steady = (per_second * lifetime) as u64;
            load.connections = steady;
            load.run(300, per_second);
            assert_within(0.25, load.run(600, per_second));
        }
    }

    #[test]
    fn a_flash_crowd_is_counted_at_once() {
        let mut load = Load::new(60.0);
        load.connections = 600;
        load.run(300, 10.0);
        assert_within(0.1, load.run(10, 500.0));
        assert_within(0.35, load.run(300, 10.0));
    }

    #[test]
    fn a_flash_crowd_is_counted_before_anything_was_learned() {
        assert_within(0.1, Load::new(600.0).run(10, 500.0));
    }

    #[test]
    fn a_mass_departure_neither_counts_as_arrivals_nor_spoils_the_estimate() {
        let mut load = Load::new(60.0);
        load.connections = 1200;
        load.run(300, 20.0);
        let before = load.estimator.observe(load.connections, load.now);
        load.connections /= 10;
        load.now += READING;
        let at_once = load.estimator.observe(load.connections, load.now) - before;
        assert!(at_once < 20, "{at_once}");
        assert_within(0.25, load.run(30, 20.0));
        assert_within(0.35, load.run(300, 20.0));
    }

    #[test]
    fn clients_that_stay_are_counted_once() {
        let mut estimator = Estimator::default();
        for second in 0..1000 {
            assert_eq!(estimator.observe(5000, Duration::from_secs(second)), 5000);
        }
    }

    proptest! {
        #[test]
        fn the_total_never_decreases_and_is_never_less_than_the_connections(
            readings in proptest::collection::vec((prop_oneof![0_u64..2000, any::<u64>()], 0_u64..5000), 1..200),
        ) {
            let (mut estimator, mut total) = (Estimator::default(), 0);
            for (connections, at) in readings {
                // Not even when time runs backwards.
                let next = estimator.observe(connections, Duration::from_millis(at));
                prop_assert!(next >= total);
                prop_assert!(next >= connections.min(1 << 50));
                total = next;
            }
            prop_assert!(estimator.rest.is_finite() && estimator.learned.turnover.is_finite());
        }
    }
}
