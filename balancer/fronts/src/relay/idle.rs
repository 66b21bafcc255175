//! The idle timeout of a session: one timer, which is reset only when it expires.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Interval at which connections are checked for errors while they are not being read. A read would report the error.
const CHECK: Duration = Duration::from_secs(1);

/// Stands for no timeout.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time since a session last forwarded anything.
#[derive(Debug)]
pub(super) struct Idle<'t> {
    timer: Pin<&'t mut Sleep>,
    limit: Duration,
    since: Instant,
}

/// What a timer expired for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The idle timeout.
    Timeout,
    /// A check of the connections for errors.
    Check,
}

impl<'t> Idle<'t> {
    /// Starts the timeout now.
    pub(super) fn new(mut timer: Pin<&'t mut Sleep>, limit: Option<Duration>) -> Self {
        let (limit, since) = (limit.unwrap_or(FOREVER), Instant::now());
        timer.as_mut().reset(since + limit);
        Self { timer, limit, since }
    }

    /// Restarts the timeout after traffic.
    pub(super) fn restart(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when the timeout or a check is due. Checks are needed unless `is_reading` from both connections.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_reading: bool) -> Poll<Due> {
        if !is_reading && self.timer.deadline() > Instant::now() + CHECK {
            self.timer.as_mut().reset(Instant::now() + CHECK);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= self.end() {
                return Poll::Ready(Due::Timeout);
            }
            let next = if is_reading { self.end() } else { self.end().min(now + CHECK) };
            self.timer.as_mut().reset(next);
            if !is_reading {
                // Poll again at once, so that the timer is registered to wake the session.
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
