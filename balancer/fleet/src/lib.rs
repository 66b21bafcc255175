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
//! | [`snapshot`]        | the fleet as those see it who choose from it           |
//! | [`selector`]        | which edge gets this client                            |
//! | [`policy`]          | … by what                                              |
//! | [`rules`]           | … and what else is configured of that                  |
//! | [`pool`]            | … of those that it may be sent to                      |
//! | [`affinity`]        | … or that have its stream                              |
//! | [`reason`]          | … and why                                              |
//! | [`explain`]         | the same for people, with what speaks against others   |
//! | [`zones`]           | where clients are                                      |
//! | [`network_table`]   | … by their network                                     |
//! | [`territory`]       | … or by their country                                  |
//! | [`redirect_limits`] | where clients may be sent                              |
//! | [`settings`]           | what is configured of all this                         |
//! | [`relay_counters`]  | what is relayed to an edge                             |
//! | [`commands`]        | what operators want of edges                           |
//! | [`protocol`]        | what a client speaks                                   |
//! | [`time`], [`random`] | a moment, and luck, as numbers                        |

#![forbid(unsafe_code)]

mod affinity;
mod atomic;
pub mod commands;
pub mod edge;
pub mod explain;
mod forecast;
mod liveness;
pub mod load;
mod network_table;
pub mod policy;
mod pool;
pub mod protocol;
pub mod query;
pub mod random;
pub mod reason;
mod recent;
pub mod redirect_limits;
pub mod relay_counters;
pub mod rules;
pub mod selector;
pub mod settings;
pub mod snapshot;
mod state;
pub mod territory;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
mod zone_id;
pub mod zones;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_protocol::{EdgeId, Report};

use crate::forecast::{Correction, Learned};
use crate::liveness::Watch;
use crate::pool::{Pool, Pools};

pub use commands::Commands;
pub use edge::{Edge, Origin};
pub use forecast::Forecast;
pub use load::{Expected, Load};
pub use network_table::NetworkTable;
pub use policy::Policy;
pub use protocol::{Protocol, Scheme};
pub use query::SelectionQuery;
pub use reason::{Exclusion, Reason, Refusal};
pub use redirect_limits::RedirectLimits;
pub use rules::{Rules, WhenFull};
pub use selector::{Choice, Selector};
pub use settings::FleetSettings;
pub use snapshot::Snapshot;
pub use state::State;
pub use time::{Moment, Time};
pub use zone_id::ZoneId;
pub use zones::{ClientZones, Zones};

/// How long an edge is believed, and remembered.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// An edge that has not reported for this long gets no clients.
    pub timeout: Duration,
    /// An edge that has not reported for this long is forgotten, and no longer listed.
    pub forget_after: Duration,
}

/// Intervals after its start in which a balancer comes to know every edge: one to hear it, and one because an edge is
/// believed at its second report.
pub const DISCOVERY_INTERVALS: u32 = 2;

/// Intervals after the start of a balancer in which an edge that it meets is not taken to be new: those in which it comes to
/// know every edge, and one to spare.
const STARTING_INTERVALS: u32 = DISCOVERY_INTERVALS + 1;

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
        let (before, silent) = (known.load.state(), gap.silence(known.load.reported_at(), time));
        self.totals.remove(known);
        let observation = known.update(report, now, selector.settings(), self.totals.bits_per_session());
        self.totals.add(known);
        if let Some(observation) = observation {
            self.correction.learn(observation, time);
        }
        for stream in &report.hot_streams {
            selector.note_stream(*stream, known.slot(), time);
        }

        let after = known.load.state();
        // An edge that said goodbye, or was silent for long, has started again; one that lost a report, or was paused, is
        // as warm as it was.
        let is_new = match before {
            State::Stopping => true,
            State::TimedOut => silent > 2 * self.lifetimes.timeout,
            State::Running | State::Paused | State::Draining => false,
        };
        if is_new && after == State::Running {
            known.load.ramp_from(time);
        }
        self.changed |= after != before;
        if !known.describes(report, origin) {
            let renewed = known.with_description(report, origin, selector.settings());
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
        let edge = Edge::in_slot(slot, id, report, origin, self.selector.settings(), now);
        if now.monotonic - Time::ORIGIN > STARTING_INTERVALS * report.interval {
            edge.load.ramp_from(now.monotonic);
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
        let alive = self.edges.values().filter(|edge| edge.load.state() != State::Stopping);
        let limit = |edge: &Edge| edge.load.longest_silence().min(lifetimes.timeout);
        if self.watch.look(alive.map(|edge| (edge.load.reported_at(), limit(edge))), now) {
            // Those that timed out since the last report of all have done nothing wrong.
            self.edges
                .values()
                .filter(|edge| self.watch.gap().silence(edge.load.reported_at(), now) <= lifetimes.timeout)
                .for_each(|edge| self.changed |= edge.load.revive());
        }
        let gap = self.watch.gap();
        self.learned.publish(&self.correction, gap);

        let ramp = self.selector.settings().rules.ramp;
        let mut full = 0;
        self.edges.retain(|id, edge| {
            let silent = gap.silence(edge.load.reported_at(), now);
            if silent > lifetimes.timeout && edge.load.time_out() {
                self.changed = true;
                changed(*id, Change::State(State::TimedOut));
            }
            if edge.load.state() == State::Running {
                edge.load.settle_ramp(now, ramp);
            } else if edge.load.is_ramping() {
                // It begins when clients can come.
                edge.load.ramp_from(now);
            }
            let keep = silent <= lifetimes.forget_after;
            if !keep {
                changed(*id, Change::Forgotten);
                self.totals.remove(edge);
                self.free_slots.push(edge.slot());
                self.changed = true;
            } else if edge.load.is_full() {
                full ^= random::mix(u64::from(edge.slot()) + 1);
            }
            keep
        });
        self.changed |= full != self.full || self.pools.distinct().any(Pool::is_exhausted);
        self.full = full;
        self.swept_at = now;
        self.measure_pools();
    }

    /// The fleet as readers are to see it, if it has changed since this was last asked.
    pub fn take_snapshot(&mut self) -> Option<Snapshot> {
        std::mem::take(&mut self.changed).then(|| {
            let snapshot = Snapshot::new(
                self.edges.values().cloned().collect(),
                self.selector.settings(),
                Arc::clone(&self.learned),
            );
            snapshot.pools.take_turns_from(&self.pools);
            self.pools = Arc::clone(&snapshot.pools);
            // Before anybody chooses from them.
            self.measure_pools();
            snapshot
        })
    }

    /// Whether this balancer suspects that it is cut off, since most edges fell silent at once.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.watch.is_isolated()
    }

    /// What is learned of the fleet as a whole.
    #[must_use]
    pub fn forecast(&self, now: Time) -> Forecast {
        self.learned.forecast(now)
    }

    /// Says how utilised each pool is as a whole, if anybody asks.
    fn measure_pools(&self) {
        if !self.selector.needs_utilisation() {
            return;
        }
        let forecast = self.forecast(self.swept_at);
        let edges: Box<[&Arc<Edge>]> = self.edges.values().collect();
        for pool in self.pools.distinct() {
            let (mut carried, mut size, mut lowest) = (0.0, 0.0, f32::INFINITY);
            for edge in pool.places().filter_map(|place| edges.get(place as usize)) {
                if let Ok(expected) = edge.load.expect(&forecast) {
                    let own_size = edge.size();
                    carried += expected.utilisation * own_size;
                    size += own_size;
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
        if let (Some(sessions), Some(bits)) = (edge.load.connections(), edge.load.out_bits_per_second()) {
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

#[cfg(test)]
mod tests;
