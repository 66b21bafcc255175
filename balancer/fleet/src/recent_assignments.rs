//! Recent assignments to an edge, whose clients may still be on their way to it.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::time::Time;

/// Assignments are counted in ticks of this many microseconds.
const TICK: u64 = 100_000;

/// The number of ticks that are kept: 1.6 s, after which one client in a thousand is still on its way.
const TICKS: u64 = 16;

/// The shortest time from a client's redirect until the media server counts it, in seconds: two round trips.
const MIN_DELAY: f32 = 0.05;

/// The average time that a client takes beyond that, in seconds: slow networks, and players that start a decoder first.
const MEAN_EXTRA_DELAY: f32 = 0.2;

/// The bits of a cell that hold its count. The others hold the turn of the ring.
const COUNT_BITS: u32 = 20;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// The assignments of the last 1.6 s, in a ring of one cell per tick.
///
/// Each cell has a count and the turn of the ring that the count belongs to, so that old cells need not be cleared.
#[derive(Debug, Default)]
pub(super) struct RecentAssignments([AtomicU32; TICKS as usize]);

impl RecentAssignments {
    /// Counts an assignment.
    pub(super) fn record(&self, now: Time) {
        let (cell, turn) = self.cell(now.as_micros() / TICK);
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            let current = seen >> COUNT_BITS == turn >> COUNT_BITS;
            // A million in 100 ms is more than any machine can assign: the count saturates.
            Some(if current { seen + u32::from(seen & COUNT < COUNT) } else { turn | 1 })
        });
    }

    /// Cancels an assignment that was counted at `counted`, unless that is too long ago.
    pub(super) fn cancel(&self, counted: Time) {
        let (cell, turn) = self.cell(counted.as_micros() / TICK);
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            (seen >> COUNT_BITS == turn >> COUNT_BITS && seen & COUNT > 0).then(|| seen - 1)
        });
    }

    /// Returns the expected number of clients that are still on their way.
    pub(super) fn on_the_way(&self, now: Time) -> f32 {
        let tick = now.as_micros() / TICK;
        (0..TICKS.min(tick + 1))
            .map(|back| {
                let (cell, turn) = self.cell(tick - back);
                let seen = cell.load(Ordering::Relaxed);
                if seen >> COUNT_BITS != turn >> COUNT_BITS || seen & COUNT == 0 {
                    return 0.0;
                }
                // On average the assignments of a tick were made in its middle. The current tick is not over yet.
                let start = (tick - back) * TICK;
                let end = (start + TICK).min(now.as_micros());
                let age = (now.as_micros() - (start + end) / 2) as f32 / 1e6;
                (seen & COUNT) as f32 * share_on_the_way(age)
            })
            .sum()
    }

    fn cell(&self, tick: u64) -> (&AtomicU32, u32) {
        // The turn is truncated to 12 bits and repeats after almost two hours. Only a count that is exactly that old is
        // mistaken for a recent one.
        (&self.0[(tick % TICKS) as usize], ((tick / TICKS) as u32) << COUNT_BITS)
    }
}

/// Returns the share of clients that are still on their way `age` seconds after their redirect. The delay is at least
/// [`MIN_DELAY`] and has an exponential tail. Its distribution matters little: a fixed cut at 0.3 s does almost as
/// well.
fn share_on_the_way(age: f32) -> f32 {
    if age <= MIN_DELAY { 1.0 } else { (-(age - MIN_DELAY) / MEAN_EXTRA_DELAY).exp() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(milliseconds: u64) -> Time {
        Time::after_origin(Duration::from_millis(milliseconds))
    }

    #[test]
    fn fewer_clients_are_on_their_way_as_time_passes() {
        let recent = RecentAssignments::default();
        for _ in 0..1000 {
            recent.record(at(5000));
        }
        let on_the_way = |milliseconds| recent.on_the_way(at(milliseconds));
        assert!(on_the_way(5000) > 999.0);
        assert!((on_the_way(5250) - 472.0).abs() < 1.0, "{}", on_the_way(5250));
        assert!(on_the_way(6500) < 2.0);
        assert_eq!(on_the_way(7000), 0.0);
    }

    #[test]
    fn counts_of_an_earlier_turn_of_the_ring_are_ignored() {
        let recent = RecentAssignments::default();
        recent.record(at(0));
        assert_eq!(recent.on_the_way(at(1600)), 0.0);
        recent.record(at(1600));
        assert!(recent.on_the_way(at(1600)) <= 1.0);
    }
}
