//! The domain: every edge that this balancer knows, and which of them gets the next client.
//!
//! Pure: time and randomness are arguments. A [`Fleet`] has one owner, the control thread; everybody else reads a
//! [`Snapshot`] of it. What changes with every report lives in atomics that snapshots share, so that a snapshot is made
//! only when an edge joins, leaves, or describes itself differently.
//!
//! | module              | what it holds                                          |
//! |---------------------|--------------------------------------------------------|
//! | [`edge`]            | one edge: what it says of itself                       |
//! | [`load`]            | its load: as reported, and as expected by now          |
//! | [`recent`]          | … clients that are on their way to it                  |
//! | [`forecast`]        | what is learned of the whole fleet to correct reports  |
//! | [`liveness`]        | whose silence it is                                    |
//! | [`selector`]        | which edge gets this client                            |
//! | [`rules`]           | … by which policy                                      |
//! | [`pool`]            | … of those that it may be sent to                      |
//! | [`affinity`]        | … or that have its stream                              |
//! | [`reason`]          | … and why                                              |
//! | [`explain`]         | the same for people, with what speaks against others   |
//! | [`zones`]           | where clients are                                      |
//! | [`network_table`]   | … by their network                                     |
//! | [`territory`]       | … or by their country                                  |
//! | [`redirect_limits`] | where clients may be sent                              |
//! | [`terms`]           | what is configured of all this                         |
//! | [`commands`]        | what operators want of edges                           |
//! | [`time`]            | a moment, as a number                                  |

mod affinity;
mod atomic;
pub mod commands;
pub mod edge;
pub mod explain;
mod forecast;
mod liveness;
mod load;
mod network_table;
mod pool;
pub mod protocol;
pub mod random;
pub mod reason;
mod recent;
pub mod redirect_limits;
pub mod rules;
pub mod selector;
pub mod terms;
pub mod territory;
pub mod time;
pub mod zones;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_protocol::{EdgeId, Report};

use crate::fleet::affinity::Ticket;
use crate::fleet::forecast::{Correction, Learned};
use crate::fleet::liveness::Watch;
use crate::fleet::load::Load;
use crate::fleet::pool::Pools;

pub use commands::Commands;
pub use edge::{Edge, Origin, State};
pub use forecast::Outlook;
pub use load::Expected;
pub use network_table::NetworkTable;
pub use protocol::Protocol;
pub use reason::{Exclusion, Reason, Refusal};
pub use redirect_limits::RedirectLimits;
pub use rules::{Policy, Rules, WhenFull};
pub use selector::{Choice, Request, Selector};
pub use terms::Terms;
pub use time::{Moment, Time};
pub use zones::{ClientZones, ZoneId, Zones};

/// How long an edge is believed, and remembered.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// An edge that has not reported for this long gets no clients.
    pub timeout: Duration,
    /// An edge that has not reported for this long is forgotten, and no longer listed.
    pub forget_after: Duration,
}

/// A balancer has just started, and every edge is new to it, until so many intervals of an edge have passed: one to hear
/// it, one because an edge is believed at its second report, and one to spare.
const STARTING_INTERVALS: u32 = 3;

/// No session is taken to need more than this on average, in bits per second, whatever an edge reports: one that is out of
/// its mind must not make all others look full.
const MOST_BITS_PER_SESSION: f64 = 100e6;

/// Every edge that this balancer knows.
#[derive(Debug)]
pub struct Fleet {
    lifetimes: Lifetimes,
    selector: Arc<Selector>,
    /// Ordered, so that every listing shows the edges in the same order.
    edges: BTreeMap<EdgeId, Arc<Edge>>,
    /// Slots of edges that are forgotten, for those to come.
    free_slots: Vec<u32>,
    totals: Totals,
    correction: Correction,
    watch: Watch,
    learned: Arc<Learned>,
    /// Those of the last snapshot.
    pools: Arc<Pools>,
    /// When time was last let pass.
    swept_at: Time,
    /// Which edges were full then, as one number.
    full: u64,
    changed: bool,
}

/// Sessions and bandwidth of all edges that report both.
#[derive(Debug, Default)]
struct Totals {
    sessions: f64,
    bits_per_second: f64,
}

/// The fleet at one moment; load and liveness in it go on changing.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every known edge, in the order of their ids.
    pub edges: Box<[Arc<Edge>]>,
    /// Their loads, so that a draw has one pointer less to follow.
    loads: Box<[Arc<Load>]>,
    /// What their places in the orders of streams depend on; empty when nobody asks for an order.
    tickets: Box<[Ticket]>,
    /// Which of them is in which slot.
    places: Box<[u32]>,
    pools: Arc<Pools>,
    learned: Arc<Learned>,
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
    /// A fleet without edges, from which `selector` is to choose.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, selector: Arc<Selector>) -> Self {
        Self {
            lifetimes,
            selector,
            edges: BTreeMap::new(),
            free_slots: Vec::new(),
            totals: Totals::default(),
            correction: Correction::new(),
            watch: Watch::new(lifetimes.timeout),
            learned: Arc::new(Learned::new(lifetimes.timeout)),
            pools: Arc::default(),
            swept_at: Time::ORIGIN,
            full: 0,
            changed: false,
        }
    }

    /// Takes in a report of the edge `id`, received at `now`.
    pub fn apply(&mut self, id: EdgeId, report: &Report<'_>, origin: Origin, now: Moment) -> Option<Change> {
        let time = now.monotonic;
        let gap = self.watch.gap();
        self.watch.hear(time);
        let selector = Arc::clone(&self.selector);
        let Some(known) = self.edges.get_mut(&id) else {
            return Some(self.join(id, report, origin, now));
        };
        let (before, silent) = (known.state(), gap.silence(known.reported_at(), time));
        self.totals.remove(known);
        let observation = known.update(report, now, selector.terms(), self.totals.bits_per_session());
        self.totals.add(known);
        if let Some(observation) = observation {
            self.correction.learn(observation, time);
        }
        for stream in &report.hot_streams {
            selector.note_stream(*stream, known.slot(), time);
        }

        let after = known.state();
        // An edge that said goodbye, or was silent for long, has started again; one that lost a report, or was paused, is
        // as warm as it was.
        let is_new = match before {
            State::Stopping => true,
            State::TimedOut => silent > 2 * self.lifetimes.timeout,
            State::Running | State::Paused | State::Draining => false,
        };
        if is_new && after == State::Running {
            known.load().ramp_from(Some(time));
        }
        self.changed |= after != before;
        if !known.describes(report, origin) {
            let renewed = known.with_description(report, origin, selector.terms());
            let change = renewed.change_from(known);
            *known = Arc::new(renewed);
            self.changed = true;
            if change.is_some() {
                return change;
            }
        }
        (after != before).then_some(Change::State(after))
    }

    fn join(&mut self, id: EdgeId, report: &Report<'_>, origin: Origin, now: Moment) -> Change {
        let slot = self.free_slots.pop().unwrap_or_else(|| u32::try_from(self.edges.len()).unwrap_or(u32::MAX));
        let edge = Edge::in_slot(slot, id, report, origin, self.selector.terms(), now);
        if now.monotonic - Time::ORIGIN > STARTING_INTERVALS * report.interval {
            edge.load().ramp_from(Some(now.monotonic));
        }
        let change = if edge.is_allowed() { Change::Joined } else { Change::Disallowed };
        self.totals.add(&edge);
        self.edges.insert(id, Arc::new(edge));
        self.changed = true;
        change
    }

    /// Whether the edge is known.
    #[must_use]
    pub fn knows(&self, id: EdgeId) -> bool {
        self.edges.contains_key(&id)
    }

    /// Lets time pass: edges that were silent for too long time out, and are forgotten at last.
    pub fn sweep(&mut self, now: Time, mut changed: impl FnMut(EdgeId, Change)) {
        let lifetimes = self.lifetimes;
        // Who said goodbye is silent by right.
        let alive = self.edges.values().filter(|edge| edge.state() != State::Stopping);
        let limit = |edge: &Edge| edge.load().longest_silence().min(lifetimes.timeout);
        if self.watch.look(alive.map(|edge| (edge.reported_at(), limit(edge))), now) {
            // Those that timed out since the last report of all have done nothing wrong.
            self.edges
                .values()
                .filter(|edge| self.watch.gap().silence(edge.reported_at(), now) <= lifetimes.timeout)
                .for_each(|edge| self.changed |= edge.load().revive());
        }
        let gap = self.watch.gap();
        self.learned.publish(&self.correction, gap);

        let ramp = self.selector.terms().rules.ramp;
        let mut full = 0;
        self.edges.retain(|id, edge| {
            let silent = gap.silence(edge.reported_at(), now);
            if silent > lifetimes.timeout && edge.load().time_out() {
                self.changed = true;
                changed(*id, Change::State(State::TimedOut));
            }
            if edge.state() == State::Running {
                edge.load().settle_ramp(now, ramp);
            } else if edge.is_ramping() {
                // It begins when clients can come.
                edge.load().ramp_from(Some(now));
            }
            let keep = silent <= lifetimes.forget_after;
            if !keep {
                changed(*id, Change::Forgotten);
                self.totals.remove(edge);
                self.free_slots.push(edge.slot());
                self.changed = true;
            } else if edge.is_full() {
                full ^= random::mix(u64::from(edge.slot()) + 1);
            }
            keep
        });
        self.changed |= full != self.full || self.pools.all().any(|pool| pool.is_exhausted());
        self.full = full;
        self.swept_at = now;
        self.measure_pools();
    }

    /// The fleet as readers are to see it, if it has changed since this was last asked.
    pub fn take_snapshot(&mut self) -> Option<Snapshot> {
        std::mem::take(&mut self.changed).then(|| {
            let snapshot =
                Snapshot::new(self.edges.values().cloned().collect(), self.selector.terms(), Arc::clone(&self.learned));
            snapshot.pools.take_turns_from(&self.pools);
            self.pools = Arc::clone(&snapshot.pools);
            // Before anybody chooses from them.
            self.measure_pools();
            snapshot
        })
    }

    /// Whether this balancer suspects that it is cut off, since most edges fell silent at once.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.watch.is_cut_off()
    }

    /// What is learned of the fleet as a whole.
    #[must_use]
    pub fn outlook(&self, now: Time) -> Outlook {
        self.learned.outlook(now)
    }

    /// Says how utilised each pool is as a whole, if anybody asks.
    fn measure_pools(&self) {
        if !self.selector.needs_utilisation() {
            return;
        }
        let outlook = self.learned.outlook(self.swept_at);
        let edges: Box<[&Arc<Edge>]> = self.edges.values().collect();
        for pool in self.pools.all() {
            let (mut carried, mut size, mut lowest) = (0.0, 0.0, f32::INFINITY);
            for edge in pool.places().filter_map(|place| edges.get(place as usize)) {
                if let Ok(expected) = edge.expect(&outlook) {
                    carried += expected.utilisation * edge.size();
                    size += edge.size();
                    lowest = lowest.min(expected.utilisation);
                }
            }
            if size > 0.0 {
                pool.set_utilisation(carried / size, lowest);
            }
        }
    }
}

impl Totals {
    fn add(&mut self, edge: &Edge) {
        self.change(edge, 1.0);
    }

    fn remove(&mut self, edge: &Edge) {
        self.change(edge, -1.0);
    }

    fn change(&mut self, edge: &Edge, sign: f64) {
        if let (Some(sessions), Some(bits)) = (edge.connections(), edge.out_bits_per_second()) {
            let sessions = sessions as f64;
            self.sessions += sign * sessions;
            self.bits_per_second += sign * (bits as f64).min((sessions + 1.0) * MOST_BITS_PER_SESSION);
        }
    }

    /// The average of the fleet.
    fn bits_per_session(&self) -> f32 {
        if self.sessions < 1.0 {
            return 0.0;
        }
        (self.bits_per_second / self.sessions).clamp(0.0, MOST_BITS_PER_SESSION) as f32
    }
}

impl Snapshot {
    fn new(edges: Box<[Arc<Edge>]>, terms: &Terms, learned: Arc<Learned>) -> Self {
        let slots = edges.iter().map(|edge| edge.slot() as usize + 1).max().unwrap_or(0);
        let mut places = vec![u32::MAX; slots].into_boxed_slice();
        for (place, edge) in (0..).zip(&edges) {
            places[edge.slot() as usize] = place;
        }
        Self {
            loads: edges.iter().map(|edge| Arc::clone(edge.load())).collect(),
            tickets: if terms.rules.needs_order() {
                edges.iter().map(|edge| edge.ticket()).collect()
            } else {
                Box::default()
            },
            pools: Arc::new(Pools::new(&edges, &terms.rules, &terms.zones)),
            places,
            edges,
            learned,
        }
    }

    /// How many edges are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.edges.iter().filter(|edge| edge.state() == state).count()
    }

    /// What holds for all edges at this moment.
    #[must_use]
    pub fn outlook(&self, now: Time) -> Outlook {
        self.learned.outlook(now)
    }

    /// Where the edge in this slot is, if it is here.
    fn place(&self, slot: u32) -> Option<u32> {
        self.places.get(slot as usize).copied().filter(|place| *place != u32::MAX)
    }

    /// Why nobody could be chosen.
    fn refusal(&self, request: &Request) -> Refusal {
        if self.edges.is_empty() { Refusal::NoEdge } else { self.pools.refusal(request) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use weir_protocol::Host;
    use weir_protocol::report::Status;

    use super::*;

    pub(crate) const SOURCE: Origin = Origin {
        source: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        key_id: weir_protocol::key::KeyId([1; 4]),
        duplicate: None,
    };
    /// Terms without any limit.
    pub(crate) static ANYWHERE: LazyLock<Terms> = LazyLock::new(Terms::default);
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

    /// A snapshot of edges that sent these reports at the origin of time, with the ids 1, 2, ….
    pub(crate) fn snapshot_on(terms: &Terms, reports: &[Report<'_>]) -> Snapshot {
        let edges = (0_u32..).zip(reports).map(|(slot, report)| {
            let id = id(u8::try_from(slot + 1).unwrap());
            Arc::new(Edge::in_slot(slot, id, report, SOURCE, terms, at(0).into()))
        });
        Snapshot::new(edges.collect(), terms, Arc::new(Learned::new(LIFETIMES.timeout)))
    }

    /// A snapshot of these edges.
    pub(crate) fn snapshot_of(edges: impl IntoIterator<Item = Edge>) -> Snapshot {
        Snapshot::new(edges.into_iter().map(Arc::new).collect(), &ANYWHERE, Arc::new(Learned::new(LIFETIMES.timeout)))
    }

    fn fleet_on(terms: &Terms) -> Fleet {
        Fleet::new(LIFETIMES, Arc::new(Selector::new(terms.clone(), [])))
    }

    fn fleet() -> Fleet {
        fleet_on(&ANYWHERE)
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
        assert_eq!(fleet.take_snapshot().unwrap().count(State::TimedOut), 1);
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
        let mut fleet = fleet_on(&Terms { limits: nowhere, ..Terms::default() });
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(0).into()), Some(Change::Disallowed));
        assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(1).into()), None);
    }

    #[test]
    fn when_all_fall_silent_at_once_the_last_state_is_kept_until_one_is_heard() {
        let mut fleet = fleet();
        for byte in 1..=4 {
            fleet.apply(id(byte), &report(), SOURCE, at(u64::from(byte) * 600).into());
        }
        let snapshot = fleet.take_snapshot().unwrap();
        let available = |now| snapshot.edges.iter().filter(|edge| edge.expect(&snapshot.outlook(now)).is_ok()).count();
        // The last was heard at 2.4 s; half of them are silent for 5 s at 6.2 s.
        let changes: Vec<_> = (56..100).flat_map(|tick| swept(&mut fleet, at(tick * 100))).collect();
        assert_eq!(changes.len(), 2, "those before more than half were silent: {changes:?}");
        assert!(fleet.is_cut_off());
        assert_eq!((snapshot.count(State::Running), available(at(60_000))), (4, 4));
        fleet.apply(id(1), &report(), SOURCE, at(60_000).into());
        swept(&mut fleet, at(60_100));
        assert!(!fleet.is_cut_off());
        assert_eq!(available(at(62_000)), 4, "the others have the rest of their time");
        assert_eq!(available(at(64_900)), 2, "the one that is heard, and the one that was heard last");
    }

    #[test]
    fn edges_that_all_said_goodbye_are_no_reason_for_suspicion() {
        let mut fleet = fleet();
        let stopping = Report { status: Status::Stopping, ..report() };
        for byte in 1..=5 {
            fleet.apply(id(byte), &stopping, SOURCE, at(0).into());
        }
        (1..200).for_each(|tick| fleet.sweep(at(tick * 100), |_, _| {}));
        assert!(!fleet.is_cut_off());
    }

    #[test]
    fn only_edges_that_come_when_the_fleet_is_known_ramp_up() {
        let mut fleet = fleet();
        let is_ramping = |fleet: &Fleet, byte| fleet.edges[&id(byte)].is_ramping();
        fleet.apply(id(1), &report(), SOURCE, at(7500).into());
        fleet.apply(id(2), &report(), SOURCE, at(7600).into());
        assert!(!is_ramping(&fleet, 1) && is_ramping(&fleet, 2));
        swept(&mut fleet, at(12_600));
        fleet.apply(id(1), &report(), SOURCE, at(12_700).into());
        assert!(!is_ramping(&fleet, 1), "one lost report makes no new edge");
        for milliseconds in (10_000..=37_500).step_by(2_500) {
            fleet.apply(id(2), &report(), SOURCE, at(milliseconds).into());
            swept(&mut fleet, at(milliseconds + 100));
            assert_eq!(is_ramping(&fleet, 2), milliseconds < 37_500, "{milliseconds}");
        }
        fleet.apply(id(1), &report(), SOURCE, at(40_000).into());
        assert!(is_ramping(&fleet, 1), "half a minute of silence does");
        fleet.apply(id(1), &report(), SOURCE, at(69_900).into());
        swept(&mut fleet, at(70_000));
        for (status, ramps) in [(Status::Paused, false), (Status::Draining, false), (Status::Stopping, true)] {
            let gone = Report { status, ..report() };
            fleet.apply(id(1), &gone, SOURCE, at(71_000).into());
            fleet.apply(id(1), &report(), SOURCE, at(72_000).into());
            assert_eq!(is_ramping(&fleet, 1), ramps, "{status:?}");
        }
    }

    #[test]
    fn an_edge_that_becomes_full_makes_a_new_snapshot() {
        let mut fleet = fleet();
        let mut small = report();
        small.capacity.connections = Some(1);
        fleet.apply(id(1), &small, SOURCE, at(0).into());
        let snapshot = fleet.take_snapshot().unwrap();
        let pick = |snapshot: &Snapshot| {
            fleet_on(&ANYWHERE).selector.pick(snapshot, &Request::default(), at(0), 0).map(|choice| choice.reason())
        };
        assert_eq!(pick(&snapshot), Ok(Reason::Policy));
        assert_eq!(pick(&snapshot), Err(Refusal::Full));
        swept(&mut fleet, at(100));
        assert_eq!(pick(&fleet.take_snapshot().unwrap()), Err(Refusal::Full));
        swept(&mut fleet, at(200));
        assert!(fleet.take_snapshot().is_none());
    }

    #[test]
    fn a_ramp_begins_when_clients_can_come() {
        let mut fleet = fleet();
        let starting = Report { status: Status::Paused, ..report() };
        for milliseconds in (60_000..=120_000).step_by(2_500) {
            fleet.apply(id(1), &starting, SOURCE, at(milliseconds).into());
            swept(&mut fleet, at(milliseconds + 100));
        }
        fleet.apply(id(1), &report(), SOURCE, at(120_200).into());
        swept(&mut fleet, at(120_300));
        assert!(fleet.edges[&id(1)].is_ramping());
    }

    #[test]
    fn turns_go_on_from_snapshot_to_snapshot() {
        let rules = Rules { policy: Policy::RoundRobin, ..Rules::default() };
        let terms = Terms { rules, ..Terms::default() };
        let (mut fleet, selector) = (fleet_on(&terms), Selector::new(terms.clone(), []));
        let mut picked = Vec::new();
        for port in 1..=6 {
            for byte in 1..=3 {
                let mut changed = report();
                changed.endpoints.push(weir_protocol::report::Endpoint { scheme: "http", host: None, port });
                fleet.apply(id(byte), &changed, SOURCE, at(0).into());
            }
            let snapshot = fleet.take_snapshot().unwrap();
            if let Ok(Choice::Edge(edge, _)) = selector.pick(&snapshot, &Request::default(), at(0), 0) {
                picked.push(edge.id.0[0]);
            }
            assert!(selector.choose(&snapshot, &Request::default(), at(0), 0).is_ok(), "takes nobody's turn");
        }
        assert_eq!(picked, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn an_edge_that_counts_no_connections_is_not_full_of_clients_of_long_ago() {
        let mut fleet = fleet();
        let mut uncounted = report();
        uncounted.load.connections = None;
        uncounted.load.out_bits_per_second = Some(4_000_000_000);
        uncounted.capacity.bits_per_second = Some(10_000_000_000);
        for round in 0..100 {
            fleet.apply(id(1), &uncounted, SOURCE, at(round * 2500).into());
            let edge = &fleet.edges[&id(1)];
            assert!(edge.expect(&fleet.outlook(at(round * 2500))).is_ok(), "{round}");
            (0..100).for_each(|_| edge.hand_out(at(round * 2500)));
        }
    }

    #[test]
    fn one_edge_that_reports_an_absurd_bandwidth_makes_nobody_else_full() {
        let mut fleet = fleet();
        for byte in 1..=10 {
            let mut busy = report();
            busy.load.connections = Some(500);
            busy.load.out_bits_per_second = Some(if byte == 1 { u64::MAX / 5 } else { 4_000_000_000 });
            busy.capacity.bits_per_second = Some(10_000_000_000);
            for milliseconds in [0, 2500] {
                fleet.apply(id(byte), &busy, SOURCE, at(milliseconds).into());
            }
        }
        let well = fleet.edges.values().filter(|edge| edge.expect(&fleet.outlook(at(2500))).is_ok()).count();
        assert_eq!(well, 9);
    }

    #[test]
    fn while_nobody_is_heard_nobody_becomes_full() {
        let mut fleet = fleet();
        for byte in 1..=4 {
            let mut half = report();
            half.load.connections = Some(50);
            half.capacity.connections = Some(100);
            fleet.apply(id(byte), &half, SOURCE, at(0).into());
        }
        let snapshot = fleet.take_snapshot().unwrap();
        (0..100).for_each(|tick| fleet.sweep(at(tick * 100), |_, _| {}));
        assert!(fleet.is_cut_off());
        for random in 0..1000 {
            let now = at(10_000 + random * 1000);
            assert!(fleet.selector.pick(&snapshot, &Request::default(), now, random).is_ok(), "{random}");
        }
    }

    #[test]
    fn a_forgotten_edge_leaves_its_slot_to_the_next() {
        let mut fleet = fleet();
        for (byte, milliseconds) in [(1, 0), (2, 3_600_000)] {
            fleet.apply(id(byte), &report(), SOURCE, at(milliseconds).into());
        }
        swept(&mut fleet, at(3_600_001));
        fleet.apply(id(3), &report(), SOURCE, at(3_600_002).into());
        fleet.apply(id(4), &report(), SOURCE, at(3_600_002).into());
        let slots: Vec<u32> = fleet.edges.values().map(|edge| edge.slot()).collect();
        assert_eq!(slots, [1, 0, 2]);
        let snapshot = fleet.take_snapshot().unwrap();
        assert_eq!([0, 1, 2, 3].map(|slot| snapshot.place(slot)), [Some(1), Some(0), Some(2), None]);
    }
}
