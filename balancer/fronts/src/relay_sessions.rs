//! The sessions that are relayed, by their edge: how many there are, how much they carry, and when they must end.
//!
//! Fronts open them, the administration shows them. They are not in the fleet: most edges are never relayed to, and what
//! is kept of each of 100,000 edges must stay small.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tracing::info;
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::{Edge, Snapshot, State, Time};
use weir_program::clock::Clock;
use weir_program::metrics::Family;
use weir_protocol::EdgeId;

/// How often it is looked whose drain is over: a session ends that much after the deadline at most.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// An edge whose drain ends says so by its own clock, and its report takes its way. What ends this much before the deadline
/// that was computed here has ended with it.
const EARLY: Duration = Duration::from_secs(1);

/// Every session that is relayed now.
#[derive(Debug)]
pub struct RelaySessions {
    /// Most sessions at a time.
    most: usize,
    open: AtomicUsize,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// What goes elsewhere than to an edge is under none.
    edges: HashMap<Option<EdgeId>, Entry>,
    /// Of the edges that were forgotten.
    gone: RelayCounters,
}

#[derive(Debug, Default)]
struct Entry {
    edge: Arc<OfEdge>,
    /// When it is to be empty, as it was last seen to drain.
    drain_deadline: Option<Time>,
}

/// The sessions of one edge.
#[derive(Debug, Default)]
struct OfEdge {
    sessions: AtomicUsize,
    sessions_total: AtomicU64,
    to_edge: AtomicU64,
    to_client: AtomicU64,
    /// How often all sessions were told to end.
    endings: AtomicU64,
    end: Notify,
}

/// One session, counted until it is dropped.
#[derive(Debug)]
pub struct Session {
    relayed: Arc<RelaySessions>,
    edge: Arc<OfEdge>,
    /// How often the sessions of its edge had been told to end when it began.
    endings: u64,
}

impl RelaySessions {
    /// None, of which there may be `most` at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, open: AtomicUsize::new(0), ledger: Mutex::default() }
    }

    /// Opens a session with an edge, or with a place elsewhere; nothing when there are as many as may be.
    #[must_use]
    pub fn open(self: &Arc<Self>, edge: Option<EdgeId>) -> Option<Session> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let mut ledger = self.ledger();
        let edge = Arc::clone(&ledger.edges.entry(edge).or_default().edge);
        edge.sessions.fetch_add(1, Ordering::Relaxed);
        edge.sessions_total.fetch_add(1, Ordering::Relaxed);
        // Under the lock that sessions are ended under: one that is open then hears of it.
        let endings = edge.endings.load(Ordering::Acquire);
        drop(ledger);
        Some(Session { relayed: Arc::clone(self), edge, endings })
    }

    /// What was relayed to each edge that still is known.
    #[must_use]
    pub fn by_edge(&self) -> HashMap<EdgeId, RelayCounters> {
        let ledger = self.ledger();
        ledger.edges.iter().filter_map(|(id, entry)| Some(((*id)?, entry.edge.figures()))).collect()
    }

    /// What was relayed, ever and everywhere.
    #[must_use]
    pub fn total(&self) -> RelayCounters {
        let ledger = self.ledger();
        let mut total = ledger.gone;
        ledger.edges.values().for_each(|entry| total += entry.edge.figures());
        total
    }

    /// Ends the sessions of edges whose drain is over, until `shutdown` is done.
    pub async fn run(&self, fleet: &ArcSwap<Snapshot>, clock: Clock, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = interval.tick() => self.sweep(&fleet.load(), Time::after_origin(clock.elapsed())),
            }
        }
    }

    /// Ends the sessions of edges whose drain is over by `now`, and forgets edges that the fleet has forgotten.
    pub fn sweep(&self, snapshot: &Snapshot, now: Time) {
        let Ledger { edges, gone } = &mut *self.ledger();
        edges.retain(|id, entry| {
            let Some(id) = id else { return true };
            let edge = snapshot.edge(*id);
            if let Some(edge) = edge
                && entry.is_drained(edge, now)
            {
                let sessions = entry.edge.sessions.load(Ordering::Relaxed);
                if sessions > 0 {
                    info!(edge = %id, sessions, "its drain is over: the sessions that are relayed to it are closed");
                }
                entry.edge.end_all();
            }
            // New sessions are opened under the same lock.
            let keep = edge.is_some() || entry.edge.sessions.load(Ordering::Relaxed) > 0;
            if !keep {
                *gone += entry.edge.figures();
            }
            keep
        });
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // An entry is never half made.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether the edge is to be empty by `now`.
    fn is_drained(&mut self, edge: &Edge, now: Time) -> bool {
        let before = std::mem::replace(&mut self.drain_deadline, edge.load.drain_deadline());
        match (self.drain_deadline, before) {
            (Some(until), _) => until <= now,
            // A drain ends in a pause. One that is called off ends in something else, or before its time.
            (None, Some(until)) => edge.load.state() == State::Paused && until <= now + EARLY,
            (None, None) => false,
        }
    }
}

impl OfEdge {
    fn figures(&self) -> RelayCounters {
        RelayCounters {
            sessions: self.sessions.load(Ordering::Relaxed),
            sessions_total: self.sessions_total.load(Ordering::Relaxed),
            bytes_to_edge: self.to_edge.load(Ordering::Relaxed),
            bytes_to_client: self.to_client.load(Ordering::Relaxed),
        }
    }

    fn end_all(&self) {
        self.endings.fetch_add(1, Ordering::Release);
        self.end.notify_waiters();
    }
}

impl Session {
    /// Counts bytes that went to the edge.
    pub fn count_to_edge(&self, bytes: u64) {
        self.edge.to_edge.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that went to the client.
    pub fn count_to_client(&self, bytes: u64) {
        self.edge.to_client.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Done when the session must end, since the drain of its edge is over.
    pub async fn must_end(&self) {
        // It hears of every ending from here on; of one before, the number tells.
        let ending = self.edge.end.notified();
        if self.edge.endings.load(Ordering::Acquire) == self.endings {
            ending.await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.edge.sessions.fetch_sub(1, Ordering::Relaxed);
        self.relayed.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was relayed, for Prometheus, as it is when it is scraped.
#[derive(Debug)]
pub struct RelayMetrics {
    relayed: Arc<RelaySessions>,
    sessions: Family<0>,
    sessions_total: Family<0>,
    bytes: Family<1>,
}

impl RelayMetrics {
    /// Metrics of these sessions.
    #[must_use]
    pub fn new(relayed: Arc<RelaySessions>) -> Self {
        Self {
            relayed,
            sessions: Family::gauge("weir_relay_sessions", "Clients that are relayed to edges now.", []),
            sessions_total: Family::counter(
                "weir_relay_sessions_total",
                "Clients that were to be relayed to an edge.",
                [],
            ),
            bytes: Family::counter("weir_relay_bytes_total", "Bytes that were relayed.", ["direction"]),
        }
    }
}

impl Collector for RelayMetrics {
    fn desc(&self) -> Vec<&Desc> {
        vec![self.sessions.desc(), self.sessions_total.desc(), self.bytes.desc()]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let total = self.relayed.total();
        vec![
            self.sessions.with_value(total.sessions as f64),
            self.sessions_total.with_value(total.sessions_total as f64),
            self.bytes.with([(["to_edge"], total.bytes_to_edge as f64), (["to_client"], total.bytes_to_client as f64)]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report, snapshot_of};
    use weir_protocol::report::Status;

    use super::*;

    /// A fleet of one edge that has this status, drains until then if at all, and has the id 1.
    fn fleet(status: Status, drain_deadline: Option<u64>) -> Snapshot {
        let mut report = report();
        report.status = status;
        report.drain_deadline = drain_deadline.map(Duration::from_millis);
        snapshot_of([Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into())])
    }

    /// Whether a session of the edge 1 must end after these sweeps, and one that is opened after them.
    async fn must_end(sweeps: &[(Snapshot, u64)]) -> [bool; 2] {
        let relayed = Arc::new(RelaySessions::new(10));
        let [early, other] = [id(1), id(2)].map(|edge| relayed.open(Some(edge)).unwrap());
        let waiting = early.must_end();
        for (snapshot, now) in sweeps {
            relayed.sweep(snapshot, at(*now));
        }
        let late = relayed.open(Some(id(1))).unwrap();
        let is_done = |ending| async move { tokio::time::timeout(Duration::ZERO, ending).await.is_ok() };
        assert!(!is_done(other.must_end()).await, "a session of another edge");
        let ends = is_done(waiting).await;
        assert_eq!(is_done(early.must_end()).await, ends, "whoever asks later hears the same");
        [ends, is_done(late.must_end()).await]
    }

    #[tokio::test]
    async fn sessions_end_when_the_drain_of_their_edge_is_over() {
        let draining = || fleet(Status::Draining, Some(5000));
        assert_eq!(must_end(&[(draining(), 4999)]).await, [false, false]);
        assert_eq!(must_end(&[(draining(), 5000)]).await, [true, false]);
        // By its own clock it was a little earlier, and the report says no more than that it is paused.
        let paused = || fleet(Status::Paused, None);
        assert_eq!(must_end(&[(draining(), 4000), (paused(), 4250)]).await, [true, false]);
        assert_eq!(must_end(&[(draining(), 4000), (paused(), 5250)]).await, [true, false]);
    }

    #[tokio::test]
    async fn sessions_stay_when_a_drain_is_called_off_or_has_no_deadline() {
        let draining = || fleet(Status::Draining, Some(60_000));
        for status in [Status::Paused, Status::Running, Status::Stopping, Status::Draining] {
            let sweeps = [(draining(), 1000), (fleet(status, None), 1250), (fleet(status, None), 60_000)];
            assert_eq!(must_end(&sweeps).await, [false, false], "{status:?}");
        }
        let running = fleet(Status::Running, None);
        assert_eq!(must_end(&[(draining(), 59_000), (running, 59_500)]).await, [false, false]);
    }

    #[test]
    fn what_was_relayed_to_edges_that_are_forgotten_stays_in_the_total() {
        let relayed = Arc::new(RelaySessions::new(10));
        let [of_edge, elsewhere] = [Some(id(1)), None].map(|edge| relayed.open(edge).unwrap());
        of_edge.count_to_edge(3);
        of_edge.count_to_client(4);
        elsewhere.count_to_client(5);
        let nobody = Snapshot::default();
        relayed.sweep(&nobody, at(0));
        assert_eq!(relayed.by_edge()[&id(1)].sessions, 1, "known as long as there are sessions");
        drop(of_edge);
        relayed.sweep(&nobody, at(0));
        assert!(relayed.by_edge().is_empty());
        let total = RelayCounters { sessions: 1, sessions_total: 2, bytes_to_edge: 3, bytes_to_client: 9 };
        assert_eq!(relayed.total(), total);
    }

    #[test]
    fn there_are_no_more_sessions_than_may_be() {
        let relayed = Arc::new(RelaySessions::new(2));
        let first = relayed.open(Some(id(1)));
        let _second = relayed.open(None);
        assert!(relayed.open(Some(id(1))).is_none());
        drop(first);
        assert!(relayed.open(Some(id(1))).is_some());
        assert!(Arc::new(RelaySessions::new(0)).open(None).is_none());
    }
}
