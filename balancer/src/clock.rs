//! The balancer's clocks; everything else takes time as an argument.

use std::time::Instant;

use weir_program::clock;

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
        clock::unix_milliseconds()
    }

    /// The date as it stands in a `Date` header (IMF-fixdate, RFC 9110 section 5.6.7).
    #[must_use]
    pub fn http_date(&self) -> String {
        httpdate::fmt_http_date(clock::now())
    }
}
