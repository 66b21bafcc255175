//! An estimate of how many connections were accepted, from how many there are.
//!
//! Those accepted between two readings are the rise, and as many as have left in between. Those that leave are the
//! connections divided by their mean lifetime, and that can be learned from the readings alone: when clients come and go
//! independently of each other (a Poisson process), the number of connections wavers the more, the more of them come and
//! go. Its changes in a time t have a mean of (come − leave) × t, and a variance of (come + leave) × t; so, where come and
//! leave are rates, both follow from the readings.
//!
//! The variance is taken from the differences between successive changes, in which a steady growth or decline cancels
//! out (von Neumann's mean square successive difference, 1941).

use std::time::Duration;

/// How long readings count: with two a second, the lifetime is learned to within some 10 %.
const MEMORY: f64 = 120.0;

/// After so many seconds of readings the lifetime is believed: to within some 30 %, which is better than none.
const LEARNED: f64 = 15.0;

/// The load is steady while it grows or declines by no more than this share of those that come and go. What leaves is the
/// small difference of two large numbers otherwise.
const STEADY: f64 = 0.25;

/// A change so many times greater than the variance lets expect, four standard deviations, is a surprise, and counts the
/// less the greater it is: in a flash, or when thousands leave at once since a publisher stops, nothing shows of how long
/// clients stay. Of honest readings it is one in 16,000.
const SURPRISE: f64 = 16.0;

/// By how much the estimate may fall below the total: the total does not fall, and rises only when the estimate has come
/// up again. Coming and going at random, a steady load falls by more than this once in e¹⁰ = 22,000 times, while those that
/// come after many have left at once are counted but for so many.
const LARGEST_DEBT: f64 = 10.0;

/// Estimates from readings of how many connections there are.
#[derive(Debug, Default)]
pub(crate) struct Estimator {
    total: u64,
    /// How far the estimate is above (less than one) or below the total.
    rest: f64,
    last: Option<Last>,
    learned: Learned,
}

/// The last reading.
#[derive(Clone, Copy, Debug)]
struct Last {
    now: Duration,
    connections: f64,
    /// Seconds since the one before, and the change per second; unknown at the first.
    change: Option<(f64, f64)>,
}

impl Estimator {
    /// The total after a reading of so many connections. Those of the first reading were accepted, too.
    ///
    /// Time is whatever monotonic duration the caller counts in.
    pub(crate) fn observe(&mut self, connections: u64, now: Duration) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "there are no 2^53 connections")]
        let count = connections as f64;
        let Some(last) = self.last else {
            self.last = Some(Last { now, connections: count, change: None });
            self.total = connections;
            return self.total;
        };
        let seconds = now.saturating_sub(last.now).as_secs_f64();
        let left = self.learned.leaving_rate(last.connections) * seconds;
        self.add(count - last.connections + left);
        // Two readings at one time have no rate of change; the later tells what has happened until then.
        let change = (seconds > 0.0).then(|| (seconds, (count - last.connections) / seconds));
        if let (Some(before), Some(change)) = (last.change, change) {
            self.learned.take_in(before, change, f64::midpoint(last.connections, count));
        }
        self.last = Some(Last { now: now.max(last.now), connections: count, change: change.or(last.change) });
        self.total
    }

    fn add(&mut self, rise: f64) {
        self.rest = (self.rest + rise).max(-LARGEST_DEBT);
        let whole = self.rest.floor().max(0.0);
        self.rest -= whole;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
        let whole = whole as u64;
        self.total = self.total.saturating_add(whole);
    }
}

/// What the readings tell about how long clients stay. Later readings count more.
#[derive(Clone, Copy, Debug, Default)]
struct Learned {
    /// Seconds that count.
    weight: f64,
    /// Mean connections; those that come and leave per second, added; and those that come less those that leave.
    connections: f64,
    turnover: f64,
    growth: f64,
    /// The share of the connections that leaves in a second: one by their mean lifetime. Unknown until learned.
    leaving: Option<f64>,
}

impl Learned {
    fn leaving_rate(&self, connections: f64) -> f64 {
        self.leaving.unwrap_or(0.0) * connections
    }

    /// Takes in two successive changes: each in so many seconds, so much per second.
    fn take_in(&mut self, before: (f64, f64), change: (f64, f64), connections: f64) {
        let (seconds, per_second) = change;
        let turnover = (per_second - before.1).powi(2) / (1.0 / before.0 + 1.0 / seconds);
        // Two clients at once are no surprise, whatever was before.
        let expected = (self.turnover * SURPRISE).max(2.0 / seconds);
        let surprise = turnover.max(per_second * per_second * seconds) / expected;
        let counts = seconds / surprise.max(1.0);
        self.weight = self.weight * (-counts / MEMORY).exp() + counts;
        let share = counts / self.weight;
        self.turnover += (turnover - self.turnover) * share;
        self.growth += (per_second - self.growth) * share;
        self.connections += (connections - self.connections) * share;
        let is_steady = self.growth.abs() <= self.turnover * STEADY;
        if self.weight >= LEARNED && self.connections > 0.0 && is_steady {
            self.leaving = Some((self.turnover - self.growth) / 2.0 / self.connections);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READING: Duration = Duration::from_millis(500);

    /// Clients that come at random and stay for an exponential time.
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

        /// A number in 0 to 1 (xorshift64*).
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        fn random(&mut self) -> f64 {
            self.random ^= self.random >> 12;
            self.random ^= self.random << 25;
            self.random ^= self.random >> 27;
            (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Lets so many seconds pass in which so many come per second; returns how many have come, and are estimated to.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        fn run(&mut self, seconds: u32, per_second: f64) -> (f64, f64) {
            let start = (self.accepted, self.estimator.observe(self.connections, self.now));
            // So short that hardly ever two things happen in one step.
            let step = READING / 100;
            for index in 1..=seconds * 200 {
                self.now += step;
                // Several may come within one step when many do.
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
                // And once more for each report, soon after another reading.
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
    fn of_a_steady_load_those_that_come_are_counted_though_their_number_stays() {
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
    fn a_flash_is_counted_at_once() {
        let mut load = Load::new(60.0);
        load.connections = 600;
        load.run(300, 10.0);
        assert_within(0.1, load.run(10, 500.0));
        assert_within(0.35, load.run(300, 10.0));
    }

    #[test]
    fn a_flash_before_anything_was_learned_is_counted_too() {
        assert_within(0.1, Load::new(600.0).run(10, 500.0));
    }

    #[test]
    fn those_that_leave_at_once_are_not_accepted_again_and_teach_nothing_wrong() {
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
    fn clients_that_stay_are_not_counted_again() {
        let mut estimator = Estimator::default();
        for second in 0..1000 {
            assert_eq!(estimator.observe(5000, Duration::from_secs(second)), 5000);
        }
    }

    proptest! {
        #[test]
        fn the_total_never_runs_backwards_and_is_never_less_than_the_connections(
            readings in proptest::collection::vec((prop_oneof![0_u64..2000, any::<u64>()], 0_u64..5000), 1..200),
        ) {
            let (mut estimator, mut total) = (Estimator::default(), 0);
            for (connections, at) in readings {
                // Not even when time does.
                let next = estimator.observe(connections, Duration::from_millis(at));
                prop_assert!(next >= total);
                prop_assert!(next >= connections.min(1 << 50));
                total = next;
            }
            prop_assert!(estimator.rest.is_finite() && estimator.learned.turnover.is_finite());
        }
    }
}
