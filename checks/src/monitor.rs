//! From answers and failures to a verdict, and when to ask next. Pure: time and randomness are arguments.

use std::time::Duration;

use crate::Check;
use crate::Failure;

/// The share by which an interval is longer or shorter, at random. Without it, servers that were once checked at the same
/// moment would be for ever, as after a start or an outage.
const JITTER: f64 = 0.1;

/// What is known of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: it has not answered, and not failed often enough.
    #[default]
    Unknown,
    /// It works.
    Up,
    /// It does not, for this reason, which is the one of the failure that took it down or of a later one.
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
    /// So many outcomes in a row that speak against the verdict; failures, when nothing is known yet.
    against: usize,
    /// When the next question is due, by the clock of the caller.
    due: Duration,
    random: fastrand::Rng,
}

impl Monitor {
    /// Of a server that nothing is known of. Monitors with different seeds do not ask in one moment.
    #[must_use]
    pub fn new(check: &Check, seed: u64) -> Self {
        let Check { interval, fast_interval, rise, fall, .. } = *check;
        let mut random = fastrand::Rng::with_seed(seed);
        // All start in one moment, so the first questions are spread as wide as may be without a long wait.
        let due = fast_interval.mul_f64(random.f64());
        Self { interval, fast_interval, rise, fall, verdict: Verdict::Unknown, against: 0, due, random }
    }

    /// The same, of a server that is first asked from `now` on.
    #[must_use]
    pub fn starting(self, now: Duration) -> Self {
        Self { due: now + self.due, ..self }
    }

    /// When the server is to be asked.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.due
    }

    /// What is known of the server.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The server was asked, and this came of it by `now`. Returns the verdict if it has changed to or from [`Verdict::Up`];
    /// a server that is down for another reason than before is no news.
    ///
    /// A server that nothing was known of is up with its first answer: at the start of a service clients wait for it.
    /// But it is down after `fall` failures only: at a restart a server that works must not be lost with one packet. A
    /// failure that is ours says nothing about the server, and changes nothing.
    pub fn record(&mut self, now: Duration, outcome: Result<(), Failure>) -> Option<Verdict> {
        let changed = match outcome {
            Err(failure) if failure.is_ours() => false,
            Ok(()) => self.succeeded(),
            Err(failure) => self.failed(failure),
        };
        let interval = if self.is_settled() { self.interval } else { self.fast_interval };
        // Counted from when it was to be asked, so that a server that does not answer is not asked more seldom by its
        // time limit.
        self.due = now.max(self.due + self.jittered(interval));
        changed.then(|| self.verdict.clone())
    }

    fn succeeded(&mut self) -> bool {
        match self.verdict {
            Verdict::Up => {
                self.against = 0;
                false
            }
            Verdict::Unknown => self.judge(Verdict::Up),
            Verdict::Down(_) => {
                self.against += 1;
                self.against >= self.rise && self.judge(Verdict::Up)
            }
        }
    }

    fn failed(&mut self, failure: Failure) -> bool {
        if let Verdict::Down(reason) = &mut self.verdict {
            *reason = failure;
            self.against = 0;
            return false;
        }
        self.against += 1;
        self.against >= self.fall && self.judge(Verdict::Down(failure))
    }

    fn judge(&mut self, verdict: Verdict) -> bool {
        self.verdict = verdict;
        self.against = 0;
        true
    }

    /// Whether there is no hurry: it works, and the last answer was good.
    fn is_settled(&self) -> bool {
        self.verdict == Verdict::Up && self.against == 0
    }

    fn jittered(&mut self, interval: Duration) -> Duration {
        interval.mul_f64(1.0 + JITTER * (2.0 * self.random.f64() - 1.0))
    }
}

#[cfg(test)]
mod tests;
