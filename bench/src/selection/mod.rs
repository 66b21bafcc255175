//! The simulator: a discrete-event model of clients, edges, reports and balancers, that drives the real selector with
//! injected time and randomness, and others beside it.
//!
//! | module        | what it holds                                                          |
//! |---------------|------------------------------------------------------------------------|
//! | [`scenario`]  | what happens: the fleet, its clients, what goes wrong                  |
//! | [`catalogue`] | … the scenarios that are looked at, and what is to be reached in each  |
//! | [`visits`]    | who comes when, where to, and for how long                             |
//! | [`chance`]    | random numbers as the model needs them                                 |
//! | [`policies`]  | the contenders: who chooses edges, Weir among them                     |
//! | [`world`]     | what comes of it, event by event                                       |
//! | [`servers`]   | … at the edges                                                         |
//! | [`queue`]     | … in order of time                                                     |
//! | [`trace`]     | what is seen of it every 100 ms, and the figures made of that          |
//! | [`replay`]    | the same for visits that are given                                     |
//! | [`table`]     | the figures of all scenarios side by side                              |
//! | [`plot`]      | the loads over time, as a picture                                      |

pub mod catalogue;
pub mod chance;
//pub mod plot;
pub mod policies;
mod queue;
pub mod replay;
pub mod scenario;
mod servers;
pub mod table;
pub mod trace;
pub mod visits;
pub mod world;

pub use policies::Contender;
pub use replay::{Imbalance, Mean, Replay};
pub use scenario::{Incident, Scenario};
pub use table::Row;
pub use trace::Trace;
pub use visits::Visit;

/// What comes of a scenario with each contender. All of them meet the same clients.
#[must_use]
pub fn simulate(scenario: &Scenario, seed: u64) -> Row {
    let run = |contender| world::run(scenario, scenario.crowd.visits(seed, scenario.end), contender, seed);
    Row { scenario: scenario.clone(), traces: Contender::ALL.map(run).into() }
}
