//! The monitors of many servers at work, each in a task of its own: a server that does not answer delays no other.

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

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Where it is asked; when it is asked through virtual addresses, at this port of these.
    pub target: SocketAddr,
    /// The virtual addresses that it is asked through, by the mark of `options`. It has to answer at each.
    pub through: Vec<IpAddr>,
    /// What it is asked, and how often.
    pub check: Arc<Check>,
    /// How it is reached.
    pub options: ProbeOptions,
}

impl Subject {
    /// Asks the server once.
    async fn ask(&self) -> Result<(), Failure> {
        if self.through.is_empty() {
            return probe(self.target, &self.check, self.options).await;
        }
        for address in &self.through {
            let target = SocketAddr::new(*address, self.target.port());
            let outcome = probe(target, &self.check, self.options).await;
            outcome.map_err(|failure| failure.through(*address))?;
        }
        Ok(())
    }
}

/// What is known of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it works.
    pub verdict: Verdict,
    /// When the verdict was last another one; when it was first watched, if never.
    pub since: Duration,
    /// What came of the last question; nothing before the first.
    pub last: Option<Result<(), Failure>>,
    /// Good answers since it is watched.
    pub answers: u64,
    /// Failures since it is watched, by [`Failure::reason`].
    pub failures: HashMap<&'static str, u64>,
    /// Which task this is from: one that was stopped may have a last word on its way.
    task: u64,
}

/// Watches servers, each under a key that its owner chooses.
///
/// Must be used within a tokio runtime. Nothing is asked any more once this is dropped.
#[derive(Debug)]
pub struct Runner<K> {
    tasks: HashMap<K, Task>,
    /// The number of the next task.
    next: u64,
    published: watch::Sender<HashMap<K, Status>>,
    slots: Arc<Semaphore>,
    random: fastrand::Rng,
    clock: Clock,
}

/// A server that is watched until this is dropped.
#[derive(Debug)]
struct Task {
    subject: Subject,
    handle: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl<K: Clone + Display + Eq + Hash + Send + Sync + 'static> Runner<K> {
    /// So many servers may be asked at a time: it bounds sockets and processes. Those that answer take milliseconds, those
    /// that do not their time limit, so that many of these delay the questions to others, but take none of them down.
    /// The seed should differ from that of other directors, which ask the same servers.
    #[must_use]
    pub fn new(at_a_time: usize, seed: u64, clock: Clock) -> Self {
        let slots = Arc::new(Semaphore::new(at_a_time.clamp(1, Semaphore::MAX_PERMITS)));
        let (published, _) = watch::channel(HashMap::new());
        Self { tasks: HashMap::new(), next: 0, published, slots, random: fastrand::Rng::with_seed(seed), clock }
    }

    /// What is known of each server. The receiver is woken when a verdict becomes another one, and not for each answer;
    /// with a server that is watched no more there is nothing to wait for.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<HashMap<K, Status>> {
        self.published.subscribe()
    }

    /// Watches these and no others from now on. What is known of those that were watched before stays, unless they are to
    /// be asked another way.
    pub fn watch(&mut self, subjects: HashMap<K, Subject>) {
        self.tasks.retain(|key, task| subjects.get(key) == Some(&task.subject));
        let new: Vec<(K, Subject)> = subjects.into_iter().filter(|(key, _)| !self.tasks.contains_key(key)).collect();
        let now = self.clock.elapsed();
        let first = self.next;
        self.published.send_if_modified(|statuses| {
            statuses.retain(|key, _| self.tasks.contains_key(key));
            for ((key, _), task) in new.iter().zip(first..) {
                statuses.insert(key.clone(), Status { since: now, task, ..Status::default() });
            }
            false
        });
        for (key, subject) in new {
            let monitor = Monitor::new(&subject.check, self.random.u64(..)).starting(now);
            let watched = Watched {
                key: key.clone(),
                subject: subject.clone(),
                task: self.next,
                monitor,
                published: self.published.clone(),
                slots: Arc::clone(&self.slots),
                clock: self.clock,
            };
            self.next += 1;
            let handle = tokio::spawn(watched.run()).abort_handle();
            self.tasks.insert(key, Task { subject, handle });
        }
    }
}

/// One server that is watched.
struct Watched<K> {
    key: K,
    subject: Subject,
    task: u64,
    monitor: Monitor,
    published: watch::Sender<HashMap<K, Status>>,
    slots: Arc<Semaphore>,
    clock: Clock,
}

impl<K: Display + Eq + Hash> Watched<K> {
    async fn run(mut self) {
        loop {
            sleep(self.monitor.next_due().saturating_sub(self.clock.elapsed())).await;
            // They are closed with this task only.
            let Ok(slot) = self.slots.acquire().await else { return };
            let outcome = self.subject.ask().await;
            drop(slot);
            let now = self.clock.elapsed();
            let changed = self.monitor.record(now, outcome.clone());
            self.tell(changed.as_ref(), &outcome);
            self.publish(now, changed.is_some(), outcome);
        }
    }

    fn publish(&self, now: Duration, is_news: bool, outcome: Result<(), Failure>) {
        self.published.send_if_modified(|statuses| {
            let Some(status) = statuses.get_mut(&self.key).filter(|status| status.task == self.task) else {
                return false;
            };
            match &outcome {
                Ok(()) => status.answers += 1,
                Err(failure) => *status.failures.entry(failure.reason()).or_default() += 1,
            }
            status.last = Some(outcome);
            status.verdict = self.monitor.verdict().clone();
            if is_news {
                status.since = now;
            }
            is_news
        });
    }

    /// Logs what is new.
    fn tell(&self, changed: Option<&Verdict>, outcome: &Result<(), Failure>) {
        let (server, target) = (&self.key, self.subject.target);
        match (changed, outcome) {
            (Some(Verdict::Up), _) => info!(%server, %target, "a server works"),
            (Some(Verdict::Down(reason)), _) => warn!(%server, %target, %reason, "a server does not work"),
            // Each once, and not each time.
            (_, Err(failure)) if failure.is_ours() && self.is_new(failure) => {
                warn!(%server, %target, %failure, "nothing is known of a server");
            }
            _ => {}
        }
    }

    /// Whether the last question had another failure.
    fn is_new(&self, failure: &Failure) -> bool {
        let statuses = self.published.borrow();
        let last = statuses.get(&self.key).and_then(|status| status.last.as_ref());
        last.and_then(|last| last.as_ref().err()) != Some(failure)
    }
}

#[cfg(test)]
mod tests;
