//! Whether the probes succeed.
//!
//! A single failure of a probe means nothing. When a probe keeps failing, the media server is in trouble, and no
//! clients must be sent to it. Unknown load is not zero load.

use std::time::Duration;

/// When each probe last succeeded. Times are monotonic, from any origin.
#[derive(Debug)]
pub struct Health {
    /// Time without success after which a probe counts as failed.
    tolerance: Duration,
    /// When each probe last succeeded; `None` for a probe that never has.
    succeeded: Vec<Option<Duration>>,
}

impl Health {
    /// Intervals without success after which a probe counts as failed. One may be a hiccup; after two, the balancers
    /// consider the last figures stale as well.
    pub const TOLERANCE_INTERVALS: u32 = 2;

    /// The health of this number of probes, none of which has succeeded yet, with a report every `interval`.
    #[must_use]
    pub fn new(probes: usize, interval: Duration) -> Self {
        Self { tolerance: interval * Self::TOLERANCE_INTERVALS, succeeded: vec![None; probes] }
    }

    /// Notes that a probe succeeded.
    pub fn succeeded(&mut self, probe: usize, now: Duration) {
        if let Some(succeeded) = self.succeeded.get_mut(probe) {
            *succeeded = Some(now);
        }
    }

    /// Returns whether every probe has succeeded recently.
    #[must_use]
    pub fn is_healthy(&self, now: Duration) -> bool {
        let recently = |at: &Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) <= self.tolerance);
        self.succeeded.iter().all(recently)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_edge_is_unhealthy_until_every_probe_has_succeeded() {
        let mut health = Health::new(2, SECOND);
        assert!(!health.is_healthy(SECOND));
        health.succeeded(0, SECOND);
        assert!(!health.is_healthy(SECOND));
        health.succeeded(1, SECOND);
        assert!(health.is_healthy(SECOND));
    }

    #[test]
    fn an_edge_is_healthy_after_one_failure_but_not_after_two_in_a_row() {
        let mut health = Health::new(1, SECOND);
        health.succeeded(0, SECOND);
        assert!(health.is_healthy(3 * SECOND));
        assert!(!health.is_healthy(3 * SECOND + Duration::from_millis(1)));
        health.succeeded(0, 4 * SECOND);
        assert!(health.is_healthy(4 * SECOND));
    }
}
