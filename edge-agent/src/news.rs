//! What there is to report, and whether it can wait. Pure.

use std::time::Duration;

use weir_protocol::report::{Reasons, Status};

use crate::probe::Reading;
use crate::probes::ANSWER_LIMIT;

/// What goes to every target with the next report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct News {
    pub(crate) status: Status,
    pub(crate) reasons: Reasons,
    pub(crate) drain_deadline: Option<Duration>,
    pub(crate) reading: Reading,
    /// Grows with each command obeyed: the balancer that sent it waits to hear so.
    pub(crate) commands: u64,
}

impl Default for News {
    fn default() -> Self {
        Self {
            status: Status::Running,
            reasons: Reasons::NONE,
            drain_deadline: None,
            reading: Reading::default(),
            commands: 0,
        }
    }
}

/// A change of this many connections, and by this share, cannot wait: the balancers would send too many clients here, or
/// too few, for the rest of an interval.
const JUMP_CONNECTIONS: u64 = 10;
const JUMP_DIVISOR: u64 = 10;

impl News {
    /// Whether balancers that were told `told` have to be told this ahead of time.
    pub(crate) fn is_urgent_after(&self, told: &Self) -> bool {
        let said = |news: &Self| (news.status, news.reasons, news.commands);
        said(self) != said(told) || is_jump(told.reading.connections, self.reading.connections)
    }
}

fn is_jump(before: Option<u64>, after: Option<u64>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return before.is_some() != after.is_some();
    };
    before.abs_diff(after) > JUMP_CONNECTIONS.max(before / JUMP_DIVISOR)
}

/// When the next report is due.
///
/// Time is whatever monotonic duration the caller counts in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    interval: Duration,
    last: Duration,
    next: Duration,
}

/// By how much of an interval reports are early or late at most, at random, so that a fleet that was started at once does
/// not report in step for ever.
const JITTER: f64 = 0.02;

/// The least time between two reports: four a second at most.
const LEAST_GAP: Duration = Duration::from_millis(250);

impl Pace {
    /// A report is due at once.
    pub(crate) fn new(interval: Duration, now: Duration) -> Self {
        Self { interval, last: now, next: now }
    }

    /// The report that was due was sent; the next is due an interval after it was due, so that the time that its readings
    /// took adds nothing to the interval. `random` is any random number.
    pub(crate) fn sent(&mut self, now: Duration, random: u32) {
        let within = f64::from(random) / f64::from(u32::MAX);
        // An agent that was stopped for a while does not make up for the reports that it missed.
        let due = self.next.max(now.saturating_sub(ANSWER_LIMIT));
        self.last = now;
        self.next = due + self.interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * within);
    }

    /// Something cannot wait: the next report is due as soon as it may be sent.
    pub(crate) fn hurry(&mut self, now: Duration) {
        let gap = LEAST_GAP.min(self.interval);
        self.next = self.next.min((self.last + gap).max(now));
    }

    /// When the next report is due.
    pub(crate) fn next(&self) -> Duration {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(2500);

    fn with_connections(connections: Option<u64>) -> News {
        News { reading: Reading { connections, ..Reading::default() }, ..News::default() }
    }

    #[test]
    fn a_change_of_state_a_command_and_a_jump_of_load_cannot_wait() {
        let told = with_connections(Some(1000));
        let urgent = |news: News| news.is_urgent_after(&told);
        assert!(urgent(News { status: Status::Paused, ..told.clone() }));
        assert!(urgent(News { reasons: Reasons::CAPACITY, ..told.clone() }));
        assert!(urgent(News { commands: 1, ..told.clone() }));
        assert!(urgent(with_connections(Some(1101))) && urgent(with_connections(Some(899))));
        assert!(urgent(with_connections(None)), "unknown is not a small change");
        assert!(!urgent(with_connections(Some(1100))) && !urgent(told.clone()));
        assert!(!with_connections(Some(10)).is_urgent_after(&with_connections(Some(0))));
        assert!(with_connections(Some(11)).is_urgent_after(&with_connections(Some(0))));
    }

    #[test]
    fn reports_come_at_the_interval_give_or_take_two_per_cent() {
        let mut pace = Pace::new(INTERVAL, Duration::ZERO);
        assert_eq!(pace.next(), Duration::ZERO);
        pace.sent(Duration::ZERO, 0);
        assert_eq!(pace.next(), Duration::from_millis(2450));
        pace.sent(Duration::from_millis(2450), u32::MAX);
        assert_eq!(pace.next(), Duration::from_millis(5000));
    }

    #[test]
    fn a_report_that_waited_for_its_readings_makes_the_next_no_later() {
        let mut pace = Pace::new(INTERVAL, Duration::ZERO);
        pace.sent(Duration::ZERO + ANSWER_LIMIT, 0);
        assert_eq!(pace.next(), Duration::from_millis(2450));
    }

    #[test]
    fn reports_that_an_agent_missed_while_it_was_stopped_are_not_made_up_for() {
        let mut pace = Pace::new(INTERVAL, Duration::ZERO);
        let hour = Duration::from_secs(3600);
        pace.sent(hour, 0);
        assert_eq!(pace.next(), hour - ANSWER_LIMIT + Duration::from_millis(2450));
    }

    #[test]
    fn urgent_reports_come_at_once_but_at_most_four_a_second() {
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
