//! Turns the outcomes of probes into a verdict, and schedules the next probe. Pure: time and randomness are arguments.

use std::time::Duration;

use crate::Check;
use crate::Failure;

/// Random deviation of an interval, as a share of it. Without it, servers that were probed at the same moment once, as
/// after a start or an outage, would stay in step.
const JITTER: f64 = 0.1;

/// What the checks say about a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Not known yet: no probe has succeeded, and fewer than `fall` have failed.
    #[default]
    Unknown,
    /// The server is up.
    Up,
    /// The server is down, with the reason of the latest failure.
    Down(Failure),
}

/// Judges one server.
#[derive(Clone, Debug)]
pub struct Monitor {
    interval: Duration,
    fast_interval: Duration,
    rise: usize,
    fall: usize,
    verdict: Verdict,
    /// Consecutive outcomes that contradict the verdict; failures while the verdict is unknown.
    contradictions: usize,
    /// When the next probe is due, on the caller's clock.
    due: Duration,
    random: fastrand::Rng,
}

impl Monitor {
    /// Creates a monitor with an unknown verdict. Different seeds spread the probes of different servers.
    #[must_use]
    pub fn new(check: &Check, seed: u64) -> Self {
        let Check { interval, fast_interval, rise, fall, .. } = *check;
        let mut random = fastrand::Rng::with_seed(seed);
        // All monitors start at the same moment: spread the first probes over one fast interval.
        let due = fast_interval.mul_f64(random.f64());
        Self { interval, fast_interval, rise, fall, verdict: Verdict::Unknown, contradictions: 0, due, random }
    }

    /// Starts the schedule at `now` instead of 0.
    #[must_use]
    pub fn starting(self, now: Duration) -> Self {
        Self { due: now + self.due, ..self }
    }

    /// When the next probe is due.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.due
    }

    /// The current verdict.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Records the outcome of a probe that ended at `now`. Returns the verdict if it changed to or from
    /// [`Verdict::Up`]; a new reason for a server that is already down is not a change.
    ///
    /// A server with an unknown verdict is up after its first success, since clients wait for it when a service starts.
    /// It is down only after `fall` failures, so that a restart of the balancer does not lose a working server to one
    /// lost packet. A local failure says nothing about the server and changes nothing.
    pub fn record(&mut self, now: Duration, outcome: Result<(), Failure>) -> Option<Verdict> {
        let changed = match outcome {
            Err(failure) if failure.is_local() => false,
            Ok(()) => self.succeeded(),
            Err(failure) => self.failed(failure),
        };
        let interval = if self.is_settled() { self.interval } else { self.fast_interval };
        // Counted from when the probe was due, so that a time-out does not lengthen the interval.
        self.due = now.max(self.due + self.jittered(interval));
        changed.then(|| self.verdict.clone())
    }

    fn succeeded(&mut self) -> bool {
        match self.verdict {
            Verdict::Up => {
                self.contradictions = 0;
                false
            }
            Verdict::Unknown => self.change_to(Verdict::Up),
            Verdict::Down(_) => {
                self.contradictions += 1;
                self.contradictions >= self.rise && self.change_to(Verdict::Up)
            }
        }
    }

    fn failed(&mut self, failure: Failure) -> bool {
        if let Verdict::Down(reason) = &mut self.verdict {
            *reason = failure;
            self.contradictions = 0;
            return false;
        }
        self.contradictions += 1;
        self.contradictions >= self.fall && self.change_to(Verdict::Down(failure))
    }

    fn change_to(&mut self, verdict: Verdict) -> bool {
        self.verdict = verdict;
        self.contradictions = 0;
        true
    }

    /// Returns whether the server is up and its last probe succeeded.
    fn is_settled(&self) -> bool {
        self.verdict == Verdict::Up && self.contradictions == 0
    }

    fn jittered(&mut self, interval: Duration) -> Duration {
        interval.mul_f64(1.0 + JITTER * (2.0 * self.random.f64() - 1.0))
    }
}

#[cfg(test)]
mod tests;
