//! One time limit for all of a question.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::Failure;
use crate::failure::Awaited;

/// When a question is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What comes of `work`; the failure says what was awaited when it is given up.
    pub(super) async fn within<T, E: Into<Failure>>(
        self,
        awaited: Awaited,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        match timeout_at(self.0, work).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err(Failure::Timeout(awaited)),
        }
    }

    pub(super) async fn answer(self, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        self.within(Awaited::Answer, work).await
    }
}
