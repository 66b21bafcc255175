//! The time limit of a probe, shared by all of its phases.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::Failure;
use crate::failure::Phase;

/// When a probe times out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Runs `work` until the deadline; a time-out names the phase.
    pub(super) async fn within<T, E: Into<Failure>>(
        self,
        phase: Phase,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        match timeout_at(self.0, work).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err(Failure::Timeout(phase)),
        }
    }

    /// Runs `work`, which exchanges request and response, until the deadline.
    pub(super) async fn response(self, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        self.within(Phase::Response, work).await
    }
}
