//! Weir's domain: the edges of a fleet, their load, and the choice of an edge for each client.
//!
//! The crate is pure: it does no I/O, and time and randomness are arguments.
//!
//! # From a report to a choice
//!
//! 1. The agent of each edge sends a [`Report`](weir_protocol::Report) every few seconds. [`Fleet::apply`] turns it
//!    into an [`Edge`]: a description, which rarely changes, and a [`Load`], whose atomics take in every report.
//! 2. From the running totals of successive reports, the fleet estimates how many clients arrive for each of this
//!    balancer's own assignments, and which share of the sessions ends per second. These figures and the current time
//!    form a [`Forecast`], with which [`Load::expect`] extrapolates a report to the present.
//! 3. [`Fleet::sweep`] applies the passage of time: silent edges time out and are eventually removed. When most edges
//!    fall silent at once, the balancer considers [itself isolated](Fleet::is_isolated) and keeps their last states.
//! 4. [`Fleet::take_snapshot`] returns an immutable [`Snapshot`] when the set of edges, a description or a state has
//!    changed. Snapshots share the [`Load`]s, so that their figures stay current.
//! 5. [`Selector::assign`] chooses an edge of a snapshot for a [`SelectionQuery`] by the configured [`Rules`] and
//!    counts the assignment. It returns a [`Choice`] with its [`Reason`], or a [`Refusal`]. It allocates nothing and
//!    takes no lock. [`Selector::preview`], [`Selector::rank`] and [`Selector::explain`] choose without counting.
//!
//! A [`Fleet`] has one owner, the control thread. Any number of threads read snapshots.
//!
//! # Modules
//!
//! | module                 | contents                                                       |
//! |------------------------|----------------------------------------------------------------|
//! | [`fleet`]              | every tracked edge; reports and the passage of time            |
//! | [`change`]             | changes of an edge, for the log                                |
//! | [`settings`]           | settings of a fleet                                            |
//! | [`edge`]               | one edge as it describes itself                                |
//! | [`load`]               | its load and liveness, reported and expected                   |
//! | [`state`]              | its state: running, paused, draining, stopping or timed out    |
//! | [`recent_assignments`] | clients that are on their way to it                            |
//! | [`estimator`]          | arrival ratio and session end rate, estimated from all reports |
//! | [`forecast`]           | those estimates, as read by the threads that choose            |
//! | [`liveness`]           | silence of edges, and isolation of this balancer               |
//! | [`snapshot`]           | the fleet at one moment                                        |
//! | [`pool`], [`pools`]    | the edges of one zone and protocol, ready for random draws     |
//! | [`selector`]           | the choice of an edge: filter, affinity, policy, fallback      |
//! | [`query`]              | what a client needs                                            |
//! | [`rules`], [`policy`]  | how edges are selected                                         |
//! | [`affinity`]           | edges that already have a stream                               |
//! | [`stream_order`]       | the order of edges for a stream, the same at all balancers     |
//! | [`reason`]             | why a client got an edge, or none                              |
//! | [`explain`]            | a choice and the state of every edge, for operators            |
//! | [`zones`]              | sites and regions                                              |
//! | [`client_zones`]       | the zone of a client, by its address                           |
//! | [`network_table`]      | longest prefix match                                           |
//! | [`territory`]          | countries and continents                                       |
//! | [`redirect_limits`]    | hosts that clients may be redirected to                        |
//! | [`commands`]           | operators' commands on their way to edges                      |
//! | [`relay_counters`]     | traffic relayed to an edge                                     |
//! | [`protocol`]           | protocols of clients, and their URL schemes                    |
//! | [`time`], [`random`]   | moments and random numbers                                     |

#![forbid(unsafe_code)]

mod affinity;
mod atomic;
pub mod change;
pub mod client_zones;
pub mod commands;
pub mod edge;
mod estimator;
pub mod explain;
pub mod fleet;
mod forecast;
mod liveness;
pub mod load;
mod network_table;
pub mod policy;
mod pool;
mod pools;
pub mod protocol;
pub mod query;
pub mod random;
pub mod reason;
mod recent_assignments;
pub mod redirect_limits;
pub mod relay_counters;
pub mod rules;
pub mod selector;
pub mod settings;
pub mod snapshot;
mod state;
mod stream_order;
pub mod territory;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
mod zone_id;
pub mod zones;

pub use change::Change;
pub use client_zones::ClientZones;
pub use commands::Commands;
pub use edge::{Edge, Origin};
pub use fleet::{DISCOVERY_INTERVALS, Fleet};
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
pub use settings::{FleetSettings, Lifetimes};
pub use snapshot::Snapshot;
pub use state::State;
pub use time::{Moment, Time};
pub use zone_id::ZoneId;
pub use zones::Zones;
