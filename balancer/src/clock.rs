//! The one place where the balancer reads clocks; everything else takes time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::fleet::Time;

/// A monotonic clock with its origin at the balancer's start, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time since the origin.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::after_origin(self.origin.elapsed())
    }

    /// Milliseconds since the Unix epoch; 0 before it.
    #[must_use]
    pub fn unix_milliseconds(&self) -> u64 {
        let since_epoch = wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    /// The date as it stands in a `Date` header (IMF-fixdate, RFC 9110 section 5.6.7).
    #[must_use]
    pub fn http_date(&self) -> String {
        httpdate::fmt_http_date(wall_clock())
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
