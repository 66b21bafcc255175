//! Warnings that clients can cause: said once in a while, so that nobody can fill the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_fleet::Time;

/// What the operator is warned of.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    /// There is no file descriptor for the next client.
    pub(super) exhausted: Seldom,
    /// An edge leads back to the balancer, by what a client says.
    pub(super) leads_back: Seldom,
}

/// How long nothing more is said of the same. Who looks at the log sees that it goes on, and what else there is.
const PAUSE: Duration = Duration::from_secs(10);

/// Something that is said once in a [`PAUSE`].
#[derive(Debug, Default)]
pub(super) struct Seldom {
    /// From when on it may be said again, in microseconds.
    again: AtomicU64,
}

impl Seldom {
    /// Whether it may be said now, by whoever asks first.
    pub(super) fn is_due(&self, now: Time) -> bool {
        let again = self.again.load(Ordering::Relaxed);
        let next = (now + PAUSE).as_micros();
        again <= now.as_micros()
            && self.again.compare_exchange(again, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::at;

    use super::*;

    #[test]
    fn a_warning_is_said_at_once_and_then_once_in_a_while() {
        let warning = Seldom::default();
        let said: Vec<u64> = (0..25_000).step_by(100).filter(|millisecond| warning.is_due(at(*millisecond))).collect();
        assert_eq!(said, [0, 10_000, 20_000]);
    }
}
