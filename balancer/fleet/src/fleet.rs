//! The fleet: every edge that this balancer tracks.

mod totals;

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_protocol::{EdgeId, Report};

use self::totals::Totals;
use crate::change::Change;
use crate::edge::{Edge, Origin};
use crate::estimator::Estimator;
use crate::forecast::{Forecast, SharedEstimates};
use crate::liveness::IsolationDetector;
use crate::pool::Pool;
use crate::pools::Pools;
use crate::random::mix;
use crate::selector::Selector;
use crate::settings::Lifetimes;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::time::{Moment, Time};

/// Report intervals after which a balancer that has started has discovered every edge: one until each edge has
/// reported, and one more because an edge is accepted with its second report.
pub const DISCOVERY_INTERVALS: u32 = 2;

/// Report intervals after the start of a balancer during which an edge that reports for the first time is not
/// considered new: those of the discovery, and one to spare.
const STARTUP_INTERVALS: u32 = DISCOVERY_INTERVALS + 1;

/// Every edge that this balancer tracks.
///
/// A fleet has one owner, which applies reports and lets time pass. Other threads read a [`Snapshot`].
#[derive(Debug)]
pub struct Fleet {
    lifetimes: Lifetimes,
    selector: Arc<Selector>,
    /// Sorted by id, so that every listing shows the edges in the same order.
    edges: BTreeMap<EdgeId, Arc<Edge>>,
    /// Slots of removed edges, for new ones.
    free_slots: Vec<u32>,
    totals: Totals,
    estimator: Estimator,
    isolation: IsolationDetector,
    estimates: Arc<SharedEstimates>,
    /// The pools of the latest snapshot.
    pools: Arc<Pools>,
    /// The time of the last sweep.
    swept_at: Time,
    /// A hash of the set of edges that were full at the last sweep.
    full: u64,
    /// Whether a new snapshot is due.
    changed: bool,
}

impl Fleet {
    /// Returns a fleet without edges. `selector` is the one that chooses from its snapshots.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, selector: Arc<Selector>) -> Self {
        Self {
            lifetimes,
            selector,
            edges: BTreeMap::new(),
            free_slots: Vec::new(),
            totals: Totals::default(),
            estimator: Estimator::new(),
            isolation: IsolationDetector::new(lifetimes.timeout),
            estimates: Arc::new(SharedEstimates::new(lifetimes.timeout)),
            pools: Arc::default(),
            swept_at: Time::ORIGIN,
            full: 0,
            changed: false,
        }
    }

    /// Applies a report of the edge `id`, received at `now`. Returns the change that is worth logging, if any.
    pub fn apply(&mut self, id: EdgeId, report: &Report<'_>, origin: Origin, now: Moment) -> Option<Change> {
        let time = now.monotonic;
        let gap = self.isolation.gap();
        self.isolation.record_report(time);
        let selector = Arc::clone(&self.selector);
        let Some(edge) = self.edges.get_mut(&id) else {
            return Some(self.join(id, report, origin, now));
        };
        let (before, silence) = (edge.load.state(), gap.silence(edge.load.reported_at(), time));
        self.totals.remove(edge);
        let observation = edge.apply(report, now, selector.settings(), self.totals.bits_per_session());
        self.totals.add(edge);
        if let Some(observation) = observation {
            self.estimator.observe(observation, time);
        }
        for stream in &report.hot_streams {
            selector.record_stream(*stream, edge.slot(), time);
        }

        let after = edge.load.state();
        // An edge that was stopping, or was silent for long, has restarted. One that lost a report, or was paused, is
        // as warm as before.
        let has_restarted = match before {
            State::Stopping => true,
            State::TimedOut => silence > 2 * self.lifetimes.timeout,
            State::Running | State::Paused | State::Draining => false,
        };
        if has_restarted && after == State::Running {
            edge.load.start_ramp(time);
        }
        self.changed |= after != before;
        if !edge.is_described_by(report, origin) {
            let renewed = edge.with_description(report, origin, selector.settings());
            let change = renewed.change_from(edge);
            *edge = Arc::new(renewed);
            self.changed = true;
            if change.is_some() {
                return change;
            }
        }
        (after != before).then_some(Change::State(after))
    }

    fn join(&mut self, id: EdgeId, report: &Report<'_>, origin: Origin, now: Moment) -> Change {
        let slot = self.free_slots.pop().unwrap_or_else(|| u32::try_from(self.edges.len()).unwrap_or(u32::MAX));
        let edge = Edge::in_slot(slot, id, report, origin, self.selector.settings(), now);
        if now.monotonic - Time::ORIGIN > STARTUP_INTERVALS * report.interval {
            edge.load.start_ramp(now.monotonic);
        }
        let change = if edge.is_allowed() { Change::Joined } else { Change::Disallowed };
        self.totals.add(&edge);
        self.edges.insert(id, Arc::new(edge));
        self.changed = true;
        change
    }

    /// Returns whether the fleet has an edge with this id.
    #[must_use]
    pub fn contains(&self, id: EdgeId) -> bool {
        self.edges.contains_key(&id)
    }

    /// Applies the passage of time: edges that have been silent for too long time out, and are removed in the end.
    /// Calls `changed` for each of those.
    pub fn sweep(&mut self, now: Time, mut changed: impl FnMut(EdgeId, Change)) {
        let lifetimes = self.lifetimes;
        // An edge that is stopping is expected to fall silent.
        let alive = self.edges.values().filter(|edge| edge.load.state() != State::Stopping);
        let limit = |edge: &Edge| edge.load.max_silence().min(lifetimes.timeout);
        if self.isolation.check(alive.map(|edge| (edge.load.reported_at(), limit(edge))), now) {
            // Edges that timed out after the last report of any edge did so because of the isolation.
            self.edges
                .values()
                .filter(|edge| self.isolation.gap().silence(edge.load.reported_at(), now) <= lifetimes.timeout)
                .for_each(|edge| self.changed |= edge.load.clear_timeout());
        }
        let gap = self.isolation.gap();
        self.estimates.publish(&self.estimator, gap);

        let ramp = self.selector.settings().rules.ramp;
        let mut full = 0;
        self.edges.retain(|id, edge| {
            let silence = gap.silence(edge.load.reported_at(), now);
            if silence > lifetimes.timeout && edge.load.time_out() {
                self.changed = true;
                changed(*id, Change::State(State::TimedOut));
            }
            if edge.load.state() == State::Running {
                edge.load.finish_ramp(now, ramp);
            } else if edge.load.is_ramping() {
                // The ramp starts when the edge accepts clients.
                edge.load.start_ramp(now);
            }
            let keep = silence <= lifetimes.forget_after;
            if !keep {
                changed(*id, Change::Forgotten);
                self.totals.remove(edge);
                self.free_slots.push(edge.slot());
                self.changed = true;
            } else if edge.load.is_full() {
                full ^= mix(u64::from(edge.slot()) + 1);
            }
            keep
        });
        self.changed |= full != self.full || self.pools.distinct().any(Pool::is_exhausted);
        self.full = full;
        self.swept_at = now;
        self.update_pool_utilisation();
    }

    /// Returns a snapshot for readers if the fleet has changed since the last one.
    pub fn take_snapshot(&mut self) -> Option<Snapshot> {
        std::mem::take(&mut self.changed).then(|| {
            let snapshot = Snapshot::new(
                self.edges.values().cloned().collect(),
                self.selector.settings(),
                Arc::clone(&self.estimates),
            );
            snapshot.pools.continue_turns_of(&self.pools);
            self.pools = Arc::clone(&snapshot.pools);
            // Before any thread chooses from the pools.
            self.update_pool_utilisation();
            snapshot
        })
    }

    /// Returns whether this balancer suspects that it is isolated from the edges, because most of them fell silent at
    /// once.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.isolation.is_isolated()
    }

    /// Returns the estimates for the whole fleet, for choices at `now`.
    #[must_use]
    pub fn forecast(&self, now: Time) -> Forecast {
        self.estimates.forecast(now)
    }

    /// Updates the utilisation of each pool as a whole, if the selector needs it.
    fn update_pool_utilisation(&self) {
        if !self.selector.needs_utilisation() {
            return;
        }
        let forecast = self.forecast(self.swept_at);
        let edges: Box<[&Arc<Edge>]> = self.edges.values().collect();
        for pool in self.pools.distinct() {
            let (mut load, mut size, mut lowest) = (0.0, 0.0, f32::INFINITY);
            for edge in pool.indices().filter_map(|index| edges.get(index as usize)) {
                if let Ok(expected) = edge.load.expect(&forecast) {
                    let edge_size = edge.size();
                    load += expected.utilisation * edge_size;
                    size += edge_size;
                    lowest = lowest.min(expected.utilisation);
                }
            }
            if size > 0.0 {
                pool.set_utilisation(load / size, lowest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
