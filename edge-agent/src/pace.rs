//! When the next report is due. Pure.

use std::time::Duration;

use crate::prober::ANSWER_LIMIT;

/// The schedule of reports. Times are monotonic, from any origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    interval: Duration,
    last: Duration,
    next: Duration,
}

/// Maximum random deviation of a report from its schedule, as a share of the interval. It keeps a fleet that was
/// started at once from reporting in step forever.
const JITTER: f64 = 0.02;

/// Minimum time between two reports: at most four per second.
const MIN_GAP: Duration = Duration::from_millis(250);

impl Pace {
    /// Creates a schedule whose first report is due at once.
    pub(crate) fn new(interval: Duration, now: Duration) -> Self {
        Self { interval, last: now, next: now }
    }

    /// Notes that the due report was sent. The next one is due an interval after this one was due, so that the time
    /// taken by its readings does not add to the interval. `random` is any random number.
    pub(crate) fn sent(&mut self, now: Duration, random: u32) {
        let within = f64::from(random) / f64::from(u32::MAX);
        // An agent that was suspended does not catch up on the reports that it missed.
        let due = self.next.max(now.saturating_sub(ANSWER_LIMIT));
        self.last = now;
        self.next = due + self.interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * within);
    }

    /// Makes the next report due as soon as the minimum gap allows.
    pub(crate) fn hurry(&mut self, now: Duration) {
        let gap = MIN_GAP.min(self.interval);
        self.next = self.next.min((self.last + gap).max(now));
    }

    /// Returns when the next report is due.
    pub(crate) fn next(&self) -> Duration {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(2500);

    #[test]
    fn reports_are_due_at_the_interval_plus_or_minus_two_per_cent() {
        let mut pace = Pace::new(INTERVAL, Duration::ZERO);
        assert_eq!(pace.next(), Duration::ZERO);
        pace.sent(Duration::ZERO, 0);
        assert_eq!(pace.next(), Duration::from_millis(2450));
        pace.sent(Duration::from_millis(2450), u32::MAX);
        assert_eq!(pace.next(), Duration::from_millis(5000));
    }

    #[test]
    fn a_report_that_waited_for_its_readings_does_not_delay_the_next() {
        let mut pace = Pace::new(INTERVAL, Duration::ZERO);
        pace.sent(Duration::ZERO + ANSWER_LIMIT, 0);
        assert_eq!(pace.next(), Duration::from_millis(2450));
    }

    #[test]
    fn a_suspended_agent_does_not_catch_up_on_missed_reports() {
        let mut pace = Pace::new(INTERVAL, Duration::ZERO);
        let hour = Duration::from_secs(3600);
        pace.sent(hour, 0);
        assert_eq!(pace.next(), hour - ANSWER_LIMIT + Duration::from_millis(2450));
    }

    #[test]
    fn urgent_reports_are_due_at_once_but_at_most_four_per_second() {
        let at = Duration::from_millis;
        let mut pace = Pace::new(INTERVAL, at(0));
        pace.sent(at(0), 0);
        pace.hurry(at(1000));
        assert_eq!(pace.next(), at(1000));
        pace.sent(at(1000), 0);
        pace.hurry(at(1100));
        assert_eq!(pace.next(), at(1250));
    }

    #[test]
    fn hurry_never_delays_a_report() {
        let at = Duration::from_millis;
        let mut pace = Pace::new(at(100), at(0));
        pace.sent(at(0), 0);
        pace.hurry(at(10));
        assert!(pace.next() <= at(100), "{:?}", pace.next());
    }
}
