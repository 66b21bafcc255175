//! The registry of relayed sessions: counts sessions and bytes per edge, and ends sessions at the drain deadline of
//! their edge.
//!
//! Fronts open sessions, the administration shows them. The registry is separate from the fleet because most edges are
//! never relayed to, and the state of each of 100,000 edges must stay small.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tracing::info;
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::{Edge, Snapshot, State, Time};
use weir_program::clock::Clock;
use weir_protocol::EdgeId;

/// Interval at which drain deadlines are checked: a session ends at most this long after the deadline.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// Tolerance of a drain deadline, which is computed from a report's time of arrival: a drain that ends by the edge's
/// own clock no earlier than this before the deadline has ended because of it.
const DEADLINE_TOLERANCE: Duration = Duration::from_secs(1);

/// The registry of relayed sessions.
#[derive(Debug)]
pub struct RelaySessions {
    /// Maximum number of concurrent sessions.
    max: usize,
    open: AtomicUsize,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Sessions with overflow targets are under `None`.
    edges: HashMap<Option<EdgeId>, Entry>,
    /// Totals of edges that were removed.
    removed: RelayCounters,
}

#[derive(Debug, Default)]
struct Entry {
    edge: Arc<EdgeSessions>,
    /// The edge's drain deadline in the previous sweep.
    drain_deadline: Option<Time>,
}

/// The sessions of one edge.
#[derive(Debug, Default)]
struct EdgeSessions {
    sessions: AtomicUsize,
    sessions_total: AtomicU64,
    bytes_to_edge: AtomicU64,
    bytes_to_client: AtomicU64,
    /// How many times all sessions were ended.
    endings: AtomicU64,
    end: Notify,
}

/// A relayed session; counted as open until it is dropped.
#[derive(Debug)]
pub struct Session {
    relayed: Arc<RelaySessions>,
    edge: Arc<EdgeSessions>,
    /// The edge's `endings` when the session began.
    endings: u64,
}

impl RelaySessions {
    /// Creates an empty registry for at most `max` concurrent sessions.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, open: AtomicUsize::new(0), ledger: Mutex::default() }
    }

    /// Opens a session with an edge, or with an overflow target (`None`). Returns `None` at the maximum number of
    /// sessions.
    #[must_use]
    pub fn open(self: &Arc<Self>, edge: Option<EdgeId>) -> Option<Session> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let mut ledger = self.ledger();
        let edge = Arc::clone(&ledger.edges.entry(edge).or_default().edge);
        edge.sessions.fetch_add(1, Ordering::Relaxed);
        edge.sessions_total.fetch_add(1, Ordering::Relaxed);
        // Under the lock that `sweep` holds: a session is either opened before an ending, which it notices, or after
        // it.
        let endings = edge.endings.load(Ordering::Acquire);
        drop(ledger);
        Some(Session { relayed: Arc::clone(self), edge, endings })
    }

    /// The counters of each edge that is still tracked.
    #[must_use]
    pub fn by_edge(&self) -> HashMap<EdgeId, RelayCounters> {
        let ledger = self.ledger();
        ledger.edges.iter().filter_map(|(id, entry)| Some(((*id)?, entry.edge.counters()))).collect()
    }

    /// The total of all edges and overflow targets since startup.
    #[must_use]
    pub fn total(&self) -> RelayCounters {
        let ledger = self.ledger();
        let mut total = ledger.removed;
        ledger.edges.values().for_each(|entry| total += entry.edge.counters());
        total
    }

    /// Sweeps periodically until `shutdown` completes.
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

    /// Ends the sessions of edges whose drain deadline is reached at `now`, and removes edges that the fleet has
    /// removed.
    pub fn sweep(&self, snapshot: &Snapshot, now: Time) {
        let Ledger { edges, removed } = &mut *self.ledger();
        edges.retain(|id, entry| {
            let Some(id) = id else { return true };
            let edge = snapshot.edge(*id);
            if let Some(edge) = edge
                && entry.is_drain_deadline_reached(edge, now)
            {
                let sessions = entry.edge.sessions.load(Ordering::Relaxed);
                if sessions > 0 {
                    let address = edge.redirect();
                    info!(edge = %id, %address, sessions, "drain deadline reached; closing relayed sessions");
                }
                entry.edge.end_all();
            }
            // Sessions are opened under the same lock, so that none is lost here.
            let keep = edge.is_some() || entry.edge.sessions.load(Ordering::Relaxed) > 0;
            if !keep {
                *removed += entry.edge.counters();
            }
            keep
        });
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // No update leaves an entry inconsistent, so a poisoned lock is usable.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether the edge's drain deadline is reached at `now`.
    fn is_drain_deadline_reached(&mut self, edge: &Edge, now: Time) -> bool {
        let before = std::mem::replace(&mut self.drain_deadline, edge.load.drain_deadline());
        match (self.drain_deadline, before) {
            (Some(until), _) => until <= now,
            // A completed drain leaves the edge paused. A cancelled one ends in another state, or too early.
            (None, Some(until)) => edge.load.state() == State::Paused && until <= now + DEADLINE_TOLERANCE,
            (None, None) => false,
        }
    }
}

impl EdgeSessions {
    fn counters(&self) -> RelayCounters {
        RelayCounters {
            sessions: self.sessions.load(Ordering::Relaxed),
            sessions_total: self.sessions_total.load(Ordering::Relaxed),
            bytes_to_edge: self.bytes_to_edge.load(Ordering::Relaxed),
            bytes_to_client: self.bytes_to_client.load(Ordering::Relaxed),
        }
    }

    fn end_all(&self) {
        self.endings.fetch_add(1, Ordering::Release);
        self.end.notify_waiters();
    }
}

impl Session {
    /// Counts bytes forwarded to the edge.
    pub fn count_to_edge(&self, bytes: u64) {
        self.edge.bytes_to_edge.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes forwarded to the client.
    pub fn count_to_client(&self, bytes: u64) {
        self.edge.bytes_to_client.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Completes when the session must end because the drain deadline of its edge is reached.
    pub async fn must_end(&self) {
        // Notices every ending from here on; an earlier one has changed the number.
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

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report, snapshot_of};
    use weir_protocol::report::Status;

    use super::*;

    /// A fleet of the edge with id 1, in this status and with this drain deadline in milliseconds.
    fn fleet(status: Status, drain_deadline: Option<u64>) -> Snapshot {
        let mut report = report();
        report.status = status;
        report.drain_deadline = drain_deadline.map(Duration::from_millis);
        snapshot_of([Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into())])
    }

    /// Whether a session of edge 1 must end after these sweeps, and one that is opened after them.
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
        assert_eq!(is_done(early.must_end()).await, ends, "a later call gives the same result");
        [ends, is_done(late.must_end()).await]
    }

    #[tokio::test]
    async fn sessions_end_at_the_drain_deadline_of_their_edge() {
        let draining = || fleet(Status::Draining, Some(5000));
        assert_eq!(must_end(&[(draining(), 4999)]).await, [false, false]);
        assert_eq!(must_end(&[(draining(), 5000)]).await, [true, false]);
        // By the edge's own clock the deadline was a little earlier, and its report only shows that it is paused.
        let paused = || fleet(Status::Paused, None);
        assert_eq!(must_end(&[(draining(), 4000), (paused(), 4250)]).await, [true, false]);
        assert_eq!(must_end(&[(draining(), 4000), (paused(), 5250)]).await, [true, false]);
    }

    #[tokio::test]
    async fn sessions_stay_open_when_a_drain_is_cancelled_or_has_no_deadline() {
        let draining = || fleet(Status::Draining, Some(60_000));
        for status in [Status::Paused, Status::Running, Status::Stopping, Status::Draining] {
            let sweeps = [(draining(), 1000), (fleet(status, None), 1250), (fleet(status, None), 60_000)];
            assert_eq!(must_end(&sweeps).await, [false, false], "{status:?}");
        }
        let running = fleet(Status::Running, None);
        assert_eq!(must_end(&[(draining(), 59_000), (running, 59_500)]).await, [false, false]);
    }

    #[test]
    fn removed_edges_still_count_in_the_total() {
        let relayed = Arc::new(RelaySessions::new(10));
        let [to_edge, overflow] = [Some(id(1)), None].map(|edge| relayed.open(edge).unwrap());
        to_edge.count_to_edge(3);
        to_edge.count_to_client(4);
        overflow.count_to_client(5);
        let empty = Snapshot::default();
        relayed.sweep(&empty, at(0));
        assert_eq!(relayed.by_edge()[&id(1)].sessions, 1, "tracked while it has sessions");
        drop(to_edge);
        relayed.sweep(&empty, at(0));
        assert!(relayed.by_edge().is_empty());
        let total = RelayCounters { sessions: 1, sessions_total: 2, bytes_to_edge: 3, bytes_to_client: 9 };
        assert_eq!(relayed.total(), total);
    }

    #[test]
    fn the_number_of_concurrent_sessions_is_limited() {
        let relayed = Arc::new(RelaySessions::new(2));
        let first = relayed.open(Some(id(1)));
        let _second = relayed.open(None);
        assert!(relayed.open(Some(id(1))).is_none());
        drop(first);
        assert!(relayed.open(Some(id(1))).is_some());
        assert!(Arc::new(RelaySessions::new(0)).open(None).is_none());
    }
}
