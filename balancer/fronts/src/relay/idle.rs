//! For how long a session has carried nothing; one timer, which is set anew only when it has run out.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How often an end that nothing is read from is asked whether it has failed. While something is read from it, it says so
/// itself.
const CHECK: Duration = Duration::from_secs(1);

/// What counts as never.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time since a session last carried anything.
#[derive(Debug)]
pub(super) struct Idle<'t> {
    timer: Pin<&'t mut Sleep>,
    limit: Duration,
    since: Instant,
}

/// What the time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// To end the session.
    TooLong,
    /// To ask the ends.
    Check,
}

impl<'t> Idle<'t> {
    /// Begins now.
    pub(super) fn new(mut timer: Pin<&'t mut Sleep>, limit: Option<Duration>) -> Self {
        let (limit, since) = (limit.unwrap_or(FOREVER), Instant::now());
        timer.as_mut().reset(since + limit);
        Self { timer, limit, since }
    }

    /// Something was carried.
    pub(super) fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when it is time for something. `is_heard` says whether both ends would be heard of if they failed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_heard: bool) -> Poll<Due> {
        if !is_heard && self.timer.deadline() > Instant::now() + CHECK {
            self.timer.as_mut().reset(Instant::now() + CHECK);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= self.end() {
                return Poll::Ready(Due::TooLong);
            }
            let next = if is_heard { self.end() } else { self.end().min(now + CHECK) };
            self.timer.as_mut().reset(next);
            if !is_heard {
                // It is polled again at once, so that the timer wakes the session.
                cx.waker().wake_by_ref();
                return Poll::Ready(Due::Check);
            }
        }
        Poll::Pending
    }

    fn end(&self) -> Instant {
        self.since + self.limit
    }
}
