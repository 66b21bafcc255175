//! The domain: every edge that this balancer knows, and which of them gets the next client.
//!
//! Pure: time and randomness are arguments. A [`Fleet`] has one owner, the control thread; everybody else reads a
//! [`Snapshot`] of it. What changes with every report lives in atomics that snapshots share, so that a snapshot is made
//! only when an edge joins, leaves, or describes itself differently.
//!
//! | module              | what it holds                                        |
//! |---------------------|------------------------------------------------------|
//! | [`edge`]            | one edge: what it says of itself, load and liveness  |
//! | [`selector`]        | which edge gets this client                          |
//! | [`redirect_limits`] | where clients may be sent                            |
//! | [`commands`]        | what operators want of edges                         |
//! | [`zones`]           | which zone a client is in, and where it spills       |
//! | [`network_table`]   | a zone by longest prefix match                       |
//! | [`territory`]       | countries and continents                             |
//! | [`time`]            | a moment, as a number                                |

pub mod commands;
pub mod edge;
pub mod network_table;
pub mod redirect_limits;
pub mod selector;
pub mod territory;
pub mod time;
pub mod zones;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_protocol::{EdgeId, Report};

pub use commands::Commands;
pub use edge::{Edge, Origin, State};
pub use redirect_limits::RedirectLimits;
pub use selector::{Protocol, Refusal, pick};
pub use time::{Moment, Time};
pub use zones::{ClientZones, Spill, ZoneId, Zones};

/// How long an edge is believed, and remembered.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// An edge that has not reported for this long gets no clients.
    pub timeout: Duration,
    /// An edge that has not reported for this long is forgotten, and no longer listed.
    pub forget_after: Duration,
}

/// Every edge that this balancer knows.
#[derive(Debug)]
pub struct Fleet {
    lifetimes: Lifetimes,
    limits: RedirectLimits,
    /// Ordered, so that every listing shows the edges in the same order.
    edges: BTreeMap<EdgeId, Arc<Edge>>,
    changed: bool,
}

/// The fleet at one moment; load and liveness in it go on changing.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every known edge, in the order of their ids.
    pub edges: Box<[Arc<Edge>]>,
}

/// What a report or the passing of time did to an edge, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Never met before.
    Joined,
    /// It names a host that clients may not be sent to, and gets none.
    Disallowed,
    /// Another sender with its GUID is heard.
    Duplicate(IpAddr),
    /// Its state is another now.
    State(State),
    /// Not heard of for so long that it is no longer listed.
    Forgotten,
}

impl Fleet {
    /// A fleet without edges.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, limits: RedirectLimits) -> Self {
        Self { lifetimes, limits, edges: BTreeMap::new(), changed: false }
    }

    /// Takes in a report of the edge `id`, received at `now`.
    pub fn apply(&mut self, id: EdgeId, report: &Report<'_>, origin: Origin, now: Moment) -> Option<Change> {
        let Some(known) = self.edges.get_mut(&id) else {
            let edge = Edge::new(id, report, origin, &self.limits, now);
            let change = if edge.is_allowed() { Change::Joined } else { Change::Disallowed };
            self.edges.insert(id, Arc::new(edge));
            self.changed = true;
            return Some(change);
        };
        let before = known.state();
        known.update(report, now);
        let after = known.state();
        if !known.describes(report, origin) {
            let renewed = known.with_description(report, origin, &self.limits);
            let change = renewed.change_from(known);
            *known = Arc::new(renewed);
            self.changed = true;
            if change.is_some() {
                return change;
            }
        }
        (after != before).then_some(Change::State(after))
    }

    /// Whether the edge is known.
    #[must_use]
    pub fn knows(&self, id: EdgeId) -> bool {
        self.edges.contains_key(&id)
    }

    /// Lets time pass: edges that were silent for too long time out, and are forgotten at last.
    pub fn sweep(&mut self, now: Time, mut changed: impl FnMut(EdgeId, Change)) {
        let lifetimes = self.lifetimes;
        let before = self.edges.len();
        self.edges.retain(|id, edge| {
            let silent = now - edge.reported_at();
            if silent > lifetimes.timeout && edge.time_out() {
                changed(*id, Change::State(State::TimedOut));
            }
            let keep = silent <= lifetimes.forget_after;
            if !keep {
                changed(*id, Change::Forgotten);
            }
            keep
        });
        self.changed |= self.edges.len() != before;
    }

    /// The fleet as readers are to see it, if it has changed since this was last asked.
    pub fn take_snapshot(&mut self) -> Option<Snapshot> {
        std::mem::take(&mut self.changed).then(|| Snapshot { edges: self.edges.values().cloned().collect() })
    }
}

impl Snapshot {
    /// How many edges are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.edges.iter().filter(|edge| edge.state() == state).count()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use weir_protocol::Host;
    use weir_protocol::report::Status;

    use super::*;

    pub(crate) const SOURCE: Origin = Origin {
        source: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        key_id: weir_protocol::key::KeyId([1; 4]),
        duplicate: None,
    };
    pub(crate) const ANYWHERE: RedirectLimits = RedirectLimits { hosts: Vec::new(), networks: Vec::new() };
    const LIFETIMES: Lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };

    pub(crate) fn report() -> Report<'static> {
        let mut report = Report::new(1, 1, Duration::from_millis(2500));
        report.load.connections = Some(0);
        report
    }

    pub(crate) fn at(milliseconds: u64) -> Time {
        Time::after_origin(Duration::from_millis(milliseconds))
    }

    pub(crate) fn id(byte: u8) -> EdgeId {
        EdgeId([byte; 16])
    }

    fn fleet() -> Fleet {
        Fleet::new(LIFETIMES, ANYWHERE)
    }

    fn swept(fleet: &mut Fleet, now: Time) -> Vec<(EdgeId, Change)> {
        let mut changes = Vec::new();
        fleet.sweep(now, |id, change| changes.push((id, change)));
        changes
    }

    #[test]
    fn a_snapshot_is_made_only_when_the_set_or_a_description_changes() {
        let mut fleet = fleet();
        assert!(fleet.take_snapshot().is_none());
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(0).into()), Some(Change::Joined));
        assert_eq!(fleet.take_snapshot().unwrap().edges.len(), 1);
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(2500).into()), None);
        assert!(fleet.take_snapshot().is_none());
        let mut renamed = report();
        renamed.redirect = Some(Host::new("edge1").unwrap());
        fleet.apply(id(1), &renamed, SOURCE, at(5000).into());
        assert_eq!(fleet.take_snapshot().unwrap().edges[0].redirect(), "edge1");
    }

    #[test]
    fn load_and_state_reach_a_snapshot_that_was_made_before() {
        let mut fleet = fleet();
        fleet.apply(id(1), &report(), SOURCE, at(0).into());
        let snapshot = fleet.take_snapshot().unwrap();
        let mut busy = report();
        busy.load.connections = Some(7);
        busy.status = Status::Paused;
        assert_eq!(fleet.apply(id(1), &busy, SOURCE, at(10).into()), Some(Change::State(State::Paused)));
        assert_eq!(snapshot.edges[0].connections(), Some(7));
        assert_eq!(snapshot.count(State::Paused), 1);
    }

    #[test]
    fn a_silent_edge_times_out_once_and_comes_back_with_its_next_report() {
        let mut fleet = fleet();
        fleet.apply(id(1), &report(), SOURCE, at(0).into());
        assert_eq!(swept(&mut fleet, at(5000)), []);
        assert_eq!(swept(&mut fleet, at(5001)), [(id(1), Change::State(State::TimedOut))]);
        assert_eq!(swept(&mut fleet, at(5100)), []);
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(6000).into()), Some(Change::State(State::Running)));
    }

    #[test]
    fn an_edge_that_said_goodbye_stays_stopped_rather_than_timed_out() {
        let mut fleet = fleet();
        let mut last = report();
        last.status = Status::Stopping;
        fleet.apply(id(1), &last, SOURCE, at(0).into());
        assert_eq!(swept(&mut fleet, at(60_000)), []);
    }

    #[test]
    fn an_edge_is_listed_until_it_is_forgotten() {
        let mut fleet = fleet();
        fleet.apply(id(1), &report(), SOURCE, at(0).into());
        fleet.take_snapshot();
        swept(&mut fleet, at(3_600_000));
        assert!(fleet.take_snapshot().is_none());
        assert_eq!(swept(&mut fleet, at(3_600_001)), [(id(1), Change::Forgotten)]);
        assert_eq!(fleet.take_snapshot().unwrap().edges.len(), 0);
    }

    #[test]
    fn a_copy_of_an_edge_is_noticed_once_and_so_is_an_edge_that_is_not_allowed() {
        let mut fleet = fleet();
        fleet.apply(id(1), &report(), SOURCE, at(0).into());
        let elsewhere: IpAddr = "192.0.2.7".parse().unwrap();
        let copied = Origin { duplicate: Some(elsewhere), ..SOURCE };
        assert_eq!(fleet.apply(id(1), &report(), copied, at(1).into()), Some(Change::Duplicate(elsewhere)));
        assert_eq!(fleet.apply(id(1), &report(), copied, at(2).into()), None);
        let nowhere = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
        let mut fleet = Fleet::new(LIFETIMES, nowhere);
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(0).into()), Some(Change::Disallowed));
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(1).into()), None);
    }
}
