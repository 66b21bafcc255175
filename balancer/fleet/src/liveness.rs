//! How long an edge has been silent, and whether the silence is its own.
//!
//! When most of the fleet falls silent at once and nothing at all arrives, it is more likely that this balancer is cut
//! off than that all edges died: it keeps the last state. Silence during such a gap is nobody's.

use std::time::Duration;

use crate::time::Time;

/// A span in which nothing could be heard. `until` lies in the future while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Gap {
    pub(super) from: Time,
    pub(super) until: Time,
}

impl Gap {
    /// The end of a gap that lasts.
    const OPEN: Time = Time::from_micros(u64::MAX);

    /// Whether it has not ended yet.
    pub(super) fn lasts(self) -> bool {
        self.until == Self::OPEN
    }

    /// How long an edge that reported at `reported_at` has been silent at `now`, the gap not counted.
    pub(super) fn silence(self, reported_at: Time, now: Time) -> Duration {
        Duration::from_micros(self.silent_micros(reported_at, now))
    }

    /// The same in microseconds, for those who ask for every draw.
    pub(super) fn silent_micros(self, reported_at: Time, now: Time) -> u64 {
        let silent = now.as_micros().saturating_sub(reported_at.as_micros());
        if reported_at >= self.until {
            return silent;
        }
        // Without what the two have in common.
        let until = self.until.min(now).as_micros();
        silent - until.saturating_sub(self.from.max(reported_at).as_micros()).min(silent)
    }
}

/// Fewer edges than this may well have died together.
const LEAST_EDGES: usize = 3;

/// Watches for the silence of all.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    timeout: Duration,
    heard_at: Time,
    gap: Gap,
}

impl Watch {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, heard_at: Time::ORIGIN, gap: Gap::default() }
    }

    /// A report has come in. Whether that ended a gap.
    pub(super) fn hear(&mut self, now: Time) -> bool {
        self.heard_at = now;
        let ended = self.gap.lasts();
        if ended {
            self.gap.until = now;
        }
        ended
    }

    /// Looks at when each edge reported last, and how long it may be silent. Whether a gap began.
    pub(super) fn look(&mut self, edges: impl Iterator<Item = (Time, Duration)>, now: Time) -> bool {
        if self.gap.lasts() {
            return false;
        }
        let (mut alive, mut silent) = (0, 0);
        for (reported_at, limit) in edges {
            // Those that were silent for too long before the others fell silent are not part of it, and while anything
            // is heard at all, silence is the edges' own.
            if self.gap.silence(reported_at, self.heard_at) <= limit && now - self.heard_at > limit / 2 {
                alive += 1;
                silent += usize::from(self.gap.silence(reported_at, now) > limit);
            }
        }
        let begins = alive >= LEAST_EDGES && silent * 2 > alive;
        if begins {
            // A gap that begins when few were heard since the last one is the same: a link that comes and goes.
            let same = self.gap.until > Time::ORIGIN && self.heard_at - self.gap.until <= self.timeout;
            let from = if same { self.gap.from } else { self.heard_at };
            self.gap = Gap { from, until: Gap::OPEN };
        }
        begins
    }

    /// Whether this balancer suspects itself.
    pub(super) fn is_isolated(&self) -> bool {
        self.gap.lasts()
    }

    /// The last gap, or the one that lasts.
    pub(super) fn gap(&self) -> Gap {
        self.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// Edges that report every 2.5 s, all heard for the last time at most that long before 10 s.
    fn reported() -> impl Iterator<Item = (Time, Duration)> {
        each([7_600, 8_000, 8_500, 9_000, 10_000])
    }

    fn each<const N: usize>(milliseconds: [u64; N]) -> impl Iterator<Item = (Time, Duration)> {
        milliseconds.map(|milliseconds| (at(milliseconds), TIMEOUT)).into_iter()
    }

    fn watch() -> Watch {
        let mut watch = Watch::new(TIMEOUT);
        watch.hear(at(10_000));
        watch
    }

    #[test]
    fn when_most_fall_silent_and_nothing_is_heard_the_balancer_suspects_itself() {
        let mut watch = watch();
        assert!(!watch.look(reported(), at(12_600)), "one of five is silent for too long");
        assert!(!watch.look(reported(), at(13_400)), "two of five");
        assert!(watch.look(reported(), at(13_501)));
        assert!(watch.is_isolated());
        assert_eq!(watch.gap().silence(at(7_600), at(60_000)), Duration::from_millis(2400), "the clock stands still");
    }

    #[test]
    fn after_the_gap_every_edge_gets_the_rest_of_its_time() {
        let mut watch = watch();
        watch.look(reported(), at(14_000));
        assert!(watch.hear(at(20_000)));
        assert!(!watch.is_isolated());
        assert_eq!(watch.gap().silence(at(9_000), at(21_000)), Duration::from_secs(2));
        assert_eq!(watch.gap().silence(at(20_000), at(21_000)), Duration::from_secs(1));
    }

    #[test]
    fn while_one_edge_is_heard_the_others_are_dead() {
        let mut watch = watch();
        watch.hear(at(15_000));
        assert!(!watch.look(reported(), at(16_000)));
    }

    #[test]
    fn two_edges_may_die_together() {
        assert!(!watch().look(each([9_000, 10_000]), at(16_000)));
    }

    #[test]
    fn edges_that_were_dead_before_do_not_count() {
        assert!(!watch().look(each([0, 0, 0, 0, 0, 0, 9_000, 10_000]), at(16_000)));
    }

    #[test]
    fn a_link_that_comes_and_goes_is_cut_off_all_the_while() {
        let mut watch = watch();
        watch.look(reported(), at(14_000));
        watch.hear(at(60_000));
        let heard_once = || each([7_600, 8_000, 8_500, 9_000, 60_000]);
        assert!(watch.look(heard_once(), at(64_500)));
        assert_eq!(watch.gap().silence(at(7_600), at(64_500)), Duration::from_millis(2400));
    }

    #[test]
    fn edges_that_report_often_are_missed_sooner() {
        let often = || [9_000, 9_500, 10_000].map(|milliseconds| (at(milliseconds), TIMEOUT / 5)).into_iter();
        assert!(watch().look(often(), at(10_501)));
    }
}
