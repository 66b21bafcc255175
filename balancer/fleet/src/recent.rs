//! Clients that were sent to an edge a moment ago, and are on their way.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::time::Time;

/// Hand-outs are counted in ticks of this many microseconds.
const TICK: u64 = 100_000;

/// So many ticks are kept: 1.6 s, after which one in a thousand is still on its way.
const TICKS: u64 = 16;

/// What a client needs at least from its redirect to the media server's count of it, in seconds: two round trips.
const LEAST_DELAY: f32 = 0.05;

/// What it needs beyond that on average, in seconds: slow networks and players that start a decoder first.
const MEAN_DELAY: f32 = 0.2;

/// Bits of a cell that count; the others tell the turn of the ring.
const COUNT_BITS: u32 = 20;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// The hand-outs of the last 1.6 s.
///
/// Each cell has a count and the turn of the ring that it belongs to, so that nobody has to empty it in time.
#[derive(Debug, Default)]
pub(super) struct Recent([AtomicU32; TICKS as usize]);

impl Recent {
    /// Counts one.
    pub(super) fn count(&self, now: Time) {
        let (cell, turn) = self.cell(now.as_micros() / TICK);
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            let current = seen >> COUNT_BITS == turn >> COUNT_BITS;
            // A million in 100 ms would be more than any machine hands out: then it stays at that.
            Some(if current { seen + u32::from(seen & COUNT < COUNT) } else { turn | 1 })
        });
    }

    /// Takes back one that was counted at `counted`, if that is not long ago.
    pub(super) fn cancel_assignment(&self, counted: Time) {
        let (cell, turn) = self.cell(counted.as_micros() / TICK);
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            (seen >> COUNT_BITS == turn >> COUNT_BITS && seen & COUNT > 0).then(|| seen - 1)
        });
    }

    /// How many of them are expected to be on their way still.
    pub(super) fn on_the_way(&self, now: Time) -> f32 {
        let tick = now.as_micros() / TICK;
        (0..TICKS.min(tick + 1))
            .map(|back| {
                let (cell, turn) = self.cell(tick - back);
                let seen = cell.load(Ordering::Relaxed);
                if seen >> COUNT_BITS != turn >> COUNT_BITS || seen & COUNT == 0 {
                    return 0.0;
                }
                // Those of a tick came at its middle, on average; the current one has not run to its end.
                let start = (tick - back) * TICK;
                let end = (start + TICK).min(now.as_micros());
                let age = (now.as_micros() - (start + end) / 2) as f32 / 1e6;
                (seen & COUNT) as f32 * share_on_the_way(age)
            })
            .sum()
    }

    fn cell(&self, tick: u64) -> (&AtomicU32, u32) {
        // The turn is cut to 12 bits: it comes again after almost two hours, and then only what was counted exactly
        // that long ago is taken for new.
        (&self.0[(tick % TICKS) as usize], ((tick / TICKS) as u32) << COUNT_BITS)
    }
}

/// The share of clients that is on its way so many seconds after the redirect: a delay of at least [`LEAST_DELAY`],
/// with an exponential tail. How the delay is distributed matters little: a fixed cut at 0.3 s does almost as well.
fn share_on_the_way(age: f32) -> f32 {
    if age <= LEAST_DELAY { 1.0 } else { (-(age - LEAST_DELAY) / MEAN_DELAY).exp() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(milliseconds: u64) -> Time {
        Time::after_origin(Duration::from_millis(milliseconds))
    }

    #[test]
    fn clients_arrive_one_after_the_other() {
        let recent = Recent::default();
        for _ in 0..1000 {
            recent.count(at(5000));
        }
        let on_the_way = |milliseconds| recent.on_the_way(at(milliseconds));
        assert!(on_the_way(5000) > 999.0);
        assert!((on_the_way(5250) - 472.0).abs() < 1.0, "{}", on_the_way(5250));
        assert!(on_the_way(6500) < 2.0);
        assert_eq!(on_the_way(7000), 0.0);
    }

    #[test]
    fn what_was_counted_in_an_earlier_turn_of_the_ring_is_not_new() {
        let recent = Recent::default();
        recent.count(at(0));
        assert_eq!(recent.on_the_way(at(1600)), 0.0);
        recent.count(at(1600));
        assert!(recent.on_the_way(at(1600)) <= 1.0);
    }
}
