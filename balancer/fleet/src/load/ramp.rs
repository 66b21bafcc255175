//! The ramp of a new edge: a cold cache must fill, and a crowd must not fall upon an empty machine.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Load;
use crate::forecast::Forecast;
use crate::time::Time;

/// The start of a ramp is stored in ticks of this many microseconds.
pub(super) const TICK: u64 = 100_000;

/// The share of draws in which a new edge takes part from the beginning.
const MIN_SHARE: f32 = 0.1;

impl Load {
    /// Returns whether the edge is new and does not get its full share of clients yet.
    #[must_use]
    pub fn is_ramping(&self) -> bool {
        self.ramping_since().is_some()
    }

    /// Starts the ramp.
    pub(crate) fn start_ramp(&self, now: Time) {
        let tick = u32::try_from(now.as_micros() / TICK).unwrap_or(u32::MAX).max(1);
        self.ramp_started.store(tick, Ordering::Relaxed);
    }

    /// Ends a ramp that is over.
    pub(crate) fn finish_ramp(&self, now: Time, ramp: Duration) {
        if self.ramping_since().is_some_and(|since| now - since >= ramp) {
            self.ramp_started.store(0, Ordering::Relaxed);
        }
    }

    /// Returns whether the edge takes part in a draw at this stage of its ramp. `random` is a random number, at least 0
    /// and less than 1.
    pub(crate) fn ramp_admits(&self, forecast: &Forecast, ramp: Duration, random: f32) -> bool {
        self.ramping_since().is_none_or(|since| {
            let elapsed = forecast.now - since;
            random < (elapsed.as_secs_f32() / ramp.as_secs_f32()).max(MIN_SHARE)
        })
    }

    fn ramping_since(&self) -> Option<Time> {
        let tick = self.ramp_started.load(Ordering::Relaxed);
        (tick != 0).then(|| Time::from_micros(u64::from(tick) * TICK))
    }
}
