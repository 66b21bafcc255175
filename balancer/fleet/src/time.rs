//! Time as an argument.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on a monotonic clock whose origin is its owner's affair: the balancer's start, or that of a simulation.
///
/// It is a plain number so that it can be kept in an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(u64);

impl Time {
    /// The origin of the clock.
    pub const ORIGIN: Self = Self(0);

    /// The moment this long after the origin.
    #[must_use]
    pub fn after_origin(elapsed: Duration) -> Self {
        // 2^64 microseconds are 584,000 years.
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Microseconds since the origin.
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

/// The time from `earlier` to `self`; zero when it is the other way round.
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

/// A moment on both clocks: the monotonic one, and the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What ages and timeouts are counted in.
    pub monotonic: Time,
    /// Milliseconds since the Unix epoch, to compare the clocks of edges with.
    pub unix: u64,
}

/// At the Unix epoch, for where the time of day does not matter.
impl From<Time> for Moment {
    fn from(monotonic: Time) -> Self {
        Self { monotonic, unix: 0 }
    }
}
