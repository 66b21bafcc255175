//! Checks many servers, each in a task of its own, so that a server that does not respond delays no other.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{info, warn};
use weir_program::clock::Clock;

use crate::Check;
use crate::{Failure, Monitor, ProbeOptions, Verdict, probe};

/// A server to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server's address and the port to probe.
    pub address: SocketAddr,
    /// Virtual addresses to probe on the same port instead of the server's own address, with the mark in `options`. The
    /// probe succeeds when it succeeds at each of them.
    pub virtual_addresses: Vec<IpAddr>,
    /// How the server is checked.
    pub check: Arc<Check>,
    /// Mark, source address and hop limit of probes.
    pub options: ProbeOptions,
}

impl Target {
    /// Probes the server once.
    async fn probe(&self) -> Result<(), Failure> {
        if self.virtual_addresses.is_empty() {
            return probe(self.address, &self.check, self.options).await;
        }
        for address in &self.virtual_addresses {
            let target = SocketAddr::new(*address, self.address.port());
            let outcome = probe(target, &self.check, self.options).await;
            outcome.map_err(|failure| failure.through(*address))?;
        }
        Ok(())
    }
}

/// The state of a server that is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether the server is up.
    pub verdict: Verdict,
    /// When the verdict last changed, on the checker's clock; initially when the checks began.
    pub since: Duration,
    /// Outcome of the last probe; `None` before the first.
    pub last_outcome: Option<Result<(), Failure>>,
    /// Number of successful probes.
    pub successes: u64,
    /// Number of failed probes, by [`Failure::reason`].
    pub failures: HashMap<&'static str, u64>,
    /// The task that reports this status. A task that was aborted may still be about to publish an outcome.
    task: u64,
}

/// Checks servers, each under a key of type `K` that the caller chooses.
///
/// Must be used within a tokio runtime. Dropping it ends all checks.
#[derive(Debug)]
pub struct HealthChecker<K> {
    tasks: HashMap<K, TaskHandle>,
    /// Number of the next task.
    next_task: u64,
    published: watch::Sender<HashMap<K, Status>>,
    slots: Arc<Semaphore>,
    random: fastrand::Rng,
    clock: Clock,
}

/// A running task, which is aborted when this is dropped.
#[derive(Debug)]
struct TaskHandle {
    target: Target,
    handle: AbortHandle,
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl<K: Clone + Display + Eq + Hash + Send + Sync + 'static> HealthChecker<K> {
    /// Creates a checker that runs at most `concurrent` probes at once, which limits sockets and processes. A probe
    /// takes milliseconds if the server responds and the check's time limit if it does not, so many dead servers delay
    /// the probes of others, but do not take them down. `seed` should differ between directors that check the same
    /// servers.
    #[must_use]
    pub fn new(concurrent: usize, seed: u64, clock: Clock) -> Self {
        let slots = Arc::new(Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS)));
        let (published, _) = watch::channel(HashMap::new());
        Self { tasks: HashMap::new(), next_task: 0, published, slots, random: fastrand::Rng::with_seed(seed), clock }
    }

    /// The status of each server. Receivers are notified when a verdict changes, not after every probe. The removal of
    /// a server does not notify them.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<HashMap<K, Status>> {
        self.published.subscribe()
    }

    /// Replaces the set of checked servers. Servers whose target is unchanged keep their status and counts; all others
    /// start anew.
    pub fn set_targets(&mut self, targets: HashMap<K, Target>) {
        self.tasks.retain(|key, task| targets.get(key) == Some(&task.target));
        let new: Vec<(K, Target)> = targets.into_iter().filter(|(key, _)| !self.tasks.contains_key(key)).collect();
        let now = self.clock.elapsed();
        let first = self.next_task;
        self.published.send_if_modified(|statuses| {
            statuses.retain(|key, _| self.tasks.contains_key(key));
            for ((key, _), task) in new.iter().zip(first..) {
                statuses.insert(key.clone(), Status { since: now, task, ..Status::default() });
            }
            false
        });
        for (key, target) in new {
            let monitor = Monitor::new(&target.check, self.random.u64(..)).starting(now);
            let task = CheckTask {
                key: key.clone(),
                target: target.clone(),
                number: self.next_task,
                monitor,
                published: self.published.clone(),
                slots: Arc::clone(&self.slots),
                clock: self.clock,
            };
            self.next_task += 1;
            let handle = tokio::spawn(task.run()).abort_handle();
            self.tasks.insert(key, TaskHandle { target, handle });
        }
    }
}

/// The task that checks one server.
struct CheckTask<K> {
    key: K,
    target: Target,
    number: u64,
    monitor: Monitor,
    published: watch::Sender<HashMap<K, Status>>,
    slots: Arc<Semaphore>,
    clock: Clock,
}

impl<K: Display + Eq + Hash> CheckTask<K> {
    async fn run(mut self) {
        loop {
            sleep(self.monitor.next_due().saturating_sub(self.clock.elapsed())).await;
            // Nothing closes the semaphore: this never returns.
            let Ok(slot) = self.slots.acquire().await else { return };
            let outcome = self.target.probe().await;
            drop(slot);
            let now = self.clock.elapsed();
            let changed = self.monitor.record(now, outcome.clone());
            self.log(changed.as_ref(), &outcome);
            self.publish(now, changed.is_some(), outcome);
        }
    }

    fn publish(&self, now: Duration, has_changed: bool, outcome: Result<(), Failure>) {
        self.published.send_if_modified(|statuses| {
            let Some(status) = statuses.get_mut(&self.key).filter(|status| status.task == self.number) else {
                return false;
            };
            match &outcome {
                Ok(()) => status.successes += 1,
                Err(failure) => *status.failures.entry(failure.reason()).or_default() += 1,
            }
            status.last_outcome = Some(outcome);
            status.verdict = self.monitor.verdict().clone();
            if has_changed {
                status.since = now;
            }
            has_changed
        });
    }

    /// Logs changes of the verdict, and local failures when they begin or change.
    fn log(&self, changed: Option<&Verdict>, outcome: &Result<(), Failure>) {
        let (server, target) = (&self.key, self.target.address);
        match (changed, outcome) {
            (Some(Verdict::Up), _) => info!(%server, %target, "server up"),
            (Some(Verdict::Down(reason)), _) => warn!(%server, %target, %reason, "server down"),
            (_, Err(failure)) if failure.is_local() && self.is_new(failure) => {
                warn!(%server, %target, reason = %failure, "health check could not run");
            }
            _ => {}
        }
    }

    /// Returns whether the previous probe did not fail for the same reason.
    fn is_new(&self, failure: &Failure) -> bool {
        let statuses = self.published.borrow();
        let last = statuses.get(&self.key).and_then(|status| status.last_outcome.as_ref());
        last.and_then(|last| last.as_ref().err()) != Some(failure)
    }
}

#[cfg(test)]
mod tests;
