//! The forecast: estimates for the whole fleet, as the threads that choose edges read them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::atomic::AtomicF32;
use crate::estimator::Estimator;
use crate::liveness::Gap;
use crate::time::Time;

/// The estimates of the control thread, shared with all snapshots.
#[derive(Debug)]
pub(super) struct SharedEstimates {
    arrival_ratio: AtomicF32,
    session_end_rate: AtomicF32,
    gap_from: AtomicU64,
    gap_until: AtomicU64,
    /// In seconds.
    timeout: f32,
}

impl SharedEstimates {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            arrival_ratio: AtomicF32::new(1.0),
            session_end_rate: AtomicF32::new(0.0),
            gap_from: AtomicU64::new(0),
            gap_until: AtomicU64::new(0),
            timeout: timeout.as_secs_f32(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "both are small numbers, and their error is larger")]
    pub(super) fn publish(&self, estimator: &Estimator, gap: Gap) {
        self.arrival_ratio.set(estimator.arrival_ratio() as f32);
        self.session_end_rate.set(estimator.session_end_rate() as f32);
        self.gap_from.store(gap.from.as_micros(), Ordering::Relaxed);
        self.gap_until.store(gap.until.as_micros(), Ordering::Relaxed);
    }

    /// Returns the estimates for a choice at `now`.
    pub(super) fn forecast(&self, now: Time) -> Forecast {
        Forecast {
            now,
            arrival_ratio: self.arrival_ratio.get(),
            session_end_rate: self.session_end_rate.get(),
            gap: Gap {
                from: Time::from_micros(self.gap_from.load(Ordering::Relaxed)),
                until: Time::from_micros(self.gap_until.load(Ordering::Relaxed)),
            },
            timeout: self.timeout,
        }
    }
}

impl Default for SharedEstimates {
    fn default() -> Self {
        Self::new(Duration::MAX)
    }
}

/// Figures that apply to all edges at one moment. [`Load::expect`](crate::Load::expect) extrapolates an edge's last
/// report with them.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    pub(super) now: Time,
    /// The ratio of observed arrivals at all edges to this balancer's assignments (κ), 0.2 to 16.
    pub arrival_ratio: f32,
    /// The share of sessions that ends per second, 0 to 0.2.
    pub session_end_rate: f32,
    pub(super) gap: Gap,
    /// In seconds.
    pub(super) timeout: f32,
}

impl Forecast {
    /// Returns the moment that the forecast is for.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Returns the time without a report after which an edge gets no clients.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f32(self.timeout).unwrap_or(Duration::MAX)
    }

    /// Returns whether this balancer suspects that it is isolated from the edges. It then keeps the last state of each.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.gap.is_open()
    }
}
