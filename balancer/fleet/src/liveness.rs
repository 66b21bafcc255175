//! How long an edge has been silent, and whether the silence is the balancer's own.
//!
//! When most of the fleet falls silent at once and no report arrives at all, it is more likely that this balancer is
//! isolated than that all edges died. It then keeps the last state of every edge, and the gap does not count as silence
//! of any edge.

use std::time::Duration;

use crate::time::Time;

/// A period in which no report could arrive. `until` lies in the future while the gap is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Gap {
    pub(super) from: Time,
    pub(super) until: Time,
}

impl Gap {
    /// The end of an open gap.
    const OPEN: Time = Time::from_micros(u64::MAX);

    /// Returns whether the gap has not ended yet.
    pub(super) fn is_open(self) -> bool {
        self.until == Self::OPEN
    }

    /// Returns how long an edge that reported at `reported_at` has been silent at `now`, not counting the gap.
    pub(super) fn silence(self, reported_at: Time, now: Time) -> Duration {
        Duration::from_micros(self.silent_micros(reported_at, now))
    }

    /// As [`Gap::silence`], in microseconds. Called for every edge that is drawn.
    pub(super) fn silent_micros(self, reported_at: Time, now: Time) -> u64 {
        let silent = now.as_micros().saturating_sub(reported_at.as_micros());
        if reported_at >= self.until {
            return silent;
        }
        // Less the overlap of silence and gap.
        let until = self.until.min(now).as_micros();
        silent - until.saturating_sub(self.from.max(reported_at).as_micros()).min(silent)
    }
}

/// The smallest number of edges from which isolation is suspected. Fewer may well have died together.
const MIN_EDGES: usize = 3;

/// Detects that this balancer is isolated: that most edges fall silent at once, and no report arrives.
#[derive(Clone, Debug)]
pub(super) struct IsolationDetector {
    timeout: Duration,
    /// When the last report of any edge arrived.
    reported_at: Time,
    gap: Gap,
}

impl IsolationDetector {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, reported_at: Time::ORIGIN, gap: Gap::default() }
    }

    /// Records that a report has arrived. Returns whether it ended a gap.
    pub(super) fn record_report(&mut self, now: Time) -> bool {
        self.reported_at = now;
        let ended = self.gap.is_open();
        if ended {
            self.gap.until = now;
        }
        ended
    }

    /// Checks the fleet, given the time of each edge's last report and the silence that it is allowed. Returns whether
    /// a gap has begun.
    pub(super) fn check(&mut self, edges: impl Iterator<Item = (Time, Duration)>, now: Time) -> bool {
        if self.gap.is_open() {
            return false;
        }
        let (mut alive, mut silent) = (0, 0);
        for (reported_at, limit) in edges {
            // Edges that had been silent for too long before the others fell silent are not counted. As long as any
            // report arrives, silence is the edges' own.
            if self.gap.silence(reported_at, self.reported_at) <= limit && now - self.reported_at > limit / 2 {
                alive += 1;
                silent += usize::from(self.gap.silence(reported_at, now) > limit);
            }
        }
        let begins = alive >= MIN_EDGES && silent * 2 > alive;
        if begins {
            // When few edges have reported since the last gap, this one continues it: the link is flapping.
            let continues = self.gap.until > Time::ORIGIN && self.reported_at - self.gap.until <= self.timeout;
            let from = if continues { self.gap.from } else { self.reported_at };
            self.gap = Gap { from, until: Gap::OPEN };
        }
        begins
    }

    /// Returns whether a gap is open.
    pub(super) fn is_isolated(&self) -> bool {
        self.gap.is_open()
    }

    /// Returns the open gap, or else the last one.
    pub(super) fn gap(&self) -> Gap {
        self.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// Edges that report every 2.5 s, and whose last reports arrived within that time before 10 s.
    fn reported() -> impl Iterator<Item = (Time, Duration)> {
        each([7_600, 8_000, 8_500, 9_000, 10_000])
    }

    fn each<const N: usize>(milliseconds: [u64; N]) -> impl Iterator<Item = (Time, Duration)> {
        milliseconds.map(|milliseconds| (at(milliseconds), TIMEOUT)).into_iter()
    }

    fn detector() -> IsolationDetector {
        let mut detector = IsolationDetector::new(TIMEOUT);
        detector.record_report(at(10_000));
        detector
    }

    #[test]
    fn the_balancer_suspects_isolation_when_most_edges_fall_silent_and_no_report_arrives() {
        let mut detector = detector();
        assert!(!detector.check(reported(), at(12_600)), "one of five edges is silent for too long");
        assert!(!detector.check(reported(), at(13_400)), "two of five");
        assert!(detector.check(reported(), at(13_501)));
        assert!(detector.is_isolated());
        assert_eq!(
            detector.gap().silence(at(7_600), at(60_000)),
            Duration::from_millis(2400),
            "the clock stands still"
        );
    }

    #[test]
    fn after_a_gap_every_edge_gets_the_rest_of_its_timeout() {
        let mut detector = detector();
        detector.check(reported(), at(14_000));
        assert!(detector.record_report(at(20_000)));
        assert!(!detector.is_isolated());
        assert_eq!(detector.gap().silence(at(9_000), at(21_000)), Duration::from_secs(2));
        assert_eq!(detector.gap().silence(at(20_000), at(21_000)), Duration::from_secs(1));
    }

    #[test]
    fn while_one_edge_reports_the_silence_of_the_others_is_their_own() {
        let mut detector = detector();
        detector.record_report(at(15_000));
        assert!(!detector.check(reported(), at(16_000)));
    }

    #[test]
    fn two_edges_that_die_together_are_no_sign_of_isolation() {
        assert!(!detector().check(each([9_000, 10_000]), at(16_000)));
    }

    #[test]
    fn edges_that_were_already_dead_do_not_count() {
        assert!(!detector().check(each([0, 0, 0, 0, 0, 0, 9_000, 10_000]), at(16_000)));
    }

    #[test]
    fn a_flapping_link_makes_one_gap() {
        let mut detector = detector();
        detector.check(reported(), at(14_000));
        detector.record_report(at(60_000));
        let reported_once = || each([7_600, 8_000, 8_500, 9_000, 60_000]);
        assert!(detector.check(reported_once(), at(64_500)));
        assert_eq!(detector.gap().silence(at(7_600), at(64_500)), Duration::from_millis(2400));
    }

    #[test]
    fn isolation_is_detected_sooner_when_edges_report_more_often() {
        let often = || [9_000, 9_500, 10_000].map(|milliseconds| (at(milliseconds), TIMEOUT / 5)).into_iter();
        assert!(detector().check(often(), at(10_501)));
    }
}
