//! Whether the probes still see the media server.
//!
//! A probe that fails once has said nothing; one that goes on failing says that the media server is in trouble, and
//! clients must not be sent to it. Unknown load is not zero load.

use std::time::Duration;

/// Since when which probe has failed. Time is whatever monotonic duration the caller counts in.
#[derive(Debug)]
pub struct Health {
    /// For how long a probe may fail.
    patience: Duration,
    /// When each probe last succeeded; `None` for one that never has.
    succeeded: Vec<Option<Duration>>,
}

impl Health {
    /// For how many intervals a probe may fail: one is a hiccup, after two the last figure is stale for the balancers too.
    pub const PATIENCE_INTERVALS: u32 = 2;

    /// Health of so many probes, none of which has succeeded yet, with reports every `interval`.
    #[must_use]
    pub fn new(probes: usize, interval: Duration) -> Self {
        Self { patience: interval * Self::PATIENCE_INTERVALS, succeeded: vec![None; probes] }
    }

    /// Notes that a probe succeeded.
    pub fn succeeded(&mut self, probe: usize, now: Duration) {
        if let Some(succeeded) = self.succeeded.get_mut(probe) {
            *succeeded = Some(now);
        }
    }

    /// Whether every probe has succeeded lately.
    #[must_use]
    pub fn is_healthy(&self, now: Duration) -> bool {
        let lately = |at: &Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) <= self.patience);
        self.succeeded.iter().all(lately)
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
    fn one_failure_is_borne_and_a_second_in_a_row_is_not() {
        let mut health = Health::new(1, SECOND);
        health.succeeded(0, SECOND);
        assert!(health.is_healthy(3 * SECOND));
        assert!(!health.is_healthy(3 * SECOND + Duration::from_millis(1)));
        health.succeeded(0, 4 * SECOND);
        assert!(health.is_healthy(4 * SECOND));
    }
}
