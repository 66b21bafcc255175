//! Rate limits for warnings that clients can cause, so that no client can fill the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_fleet::Time;

/// One rate limit per warning.
#[derive(Debug, Default)]
pub(crate) struct LogLimits {
    /// No file descriptor is left for the next client.
    pub(crate) accept_exhausted: LogLimit,
    /// An edge leads back to the balancer, according to a client's request.
    pub(crate) redirect_loop: LogLimit,
}

/// Time between two repetitions of a warning: enough to show that the condition persists without hiding other messages.
const INTERVAL: Duration = Duration::from_secs(10);

/// Permits one message per [`INTERVAL`].
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    /// Time of the next permitted message in microseconds.
    next: AtomicU64,
}

impl LogLimit {
    /// Whether the message may be logged now. Of several concurrent callers, one is permitted.
    pub(crate) fn permits(&self, now: Time) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        let after_next = (now + INTERVAL).as_micros();
        next <= now.as_micros()
            && self.next.compare_exchange(next, after_next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::at;

    use super::*;

    #[test]
    fn a_message_is_logged_at_once_and_then_once_per_interval() {
        let limit = LogLimit::default();
        let logged: Vec<u64> = (0..25_000).step_by(100).filter(|millisecond| limit.permits(at(*millisecond))).collect();
        assert_eq!(logged, [0, 10_000, 20_000]);
    }
}
