//! Moments, which are arguments in this crate.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on a monotonic clock, in microseconds. Its origin is the start of the balancer, or of a simulation.
///
/// A plain number, so that it fits into an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(u64);

impl Time {
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);

    /// Returns the moment `elapsed` after the origin.
    #[must_use]
    pub fn after_origin(elapsed: Duration) -> Self {
        // 2^64 microseconds are 584,000 years.
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Returns the microseconds since the origin.
    #[must_use]
    pub fn as_micros(self) -> u64 {
        self.0
    }

    /// The inverse of [`Time::as_micros`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }
}

/// The time from `earlier` to `self`, or zero if `earlier` is later.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::after_origin(duration).0))
    }
}

/// A moment on the monotonic clock and on the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The moment on the monotonic clock, for ages and timeouts.
    pub monotonic: Time,
    /// Milliseconds since the Unix epoch, for the clock skew of edges.
    pub unix: u64,
}

/// With the Unix epoch as wall-clock time, where that does not matter.
impl From<Time> for Moment {
    fn from(monotonic: Time) -> Self {
        Self { monotonic, unix: 0 }
    }
}
