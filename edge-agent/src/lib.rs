//! Weir's edge agent: reports the load of one media server to the balancers, and obeys their operators.
//!
//! ```text
//! media server ──probe──▶ reading ──▶ agent ──sealed UDP report, every 2.5 s──▶ each target
//!                                       ▲                                          │
//!                                       └──────────sealed ack (pause, drain)───────┘
//! ```
//!
//! | module             | what it holds                                                                  |
//! |--------------------|--------------------------------------------------------------------------------|
//! | [`config`]         | what is reported, and to whom                                                  |
//! | [`agent`]          | the agent itself: asks the probes, hears orders, decides what to report        |
//! | [`news`]           | what there is to report, and whether it can wait; pure                         |
//! | [`state`]          | why the edge takes no clients: operator, capacity, health; pure, and kept      |
//! | [`health`]         | whether the probes still see the media server; pure                            |
//! | [`probe`]          | where load comes from: one module for each kind of media server                |
//! | [`probes`]         | the probes at work                                                             |
//! | [`accepted`]       | how many connections were accepted, where no media server says so; pure        |
//! | [`target`]         | the conversation with one target                                               |
//! | [`sender`]         | that target's socket                                                           |
//! | [`control`]        | how the running agent is spoken to on its machine                              |
//! | [`identity`]       | the GUID file                                                                  |
//! | [`targets`]        | target addresses, and `loadbalancertargets.txt`                                |
//! | [`endpoint`]       | what the edge serves where                                                     |
//! | [`direct_routing`] | makes this machine a real server that takes packets for virtual addresses      |
#![forbid(unsafe_code)]

mod accepted;
pub mod agent;
pub mod config;
pub mod control;
pub mod direct_routing;
pub mod endpoint;
pub mod health;
pub mod identity;
mod news;
pub mod probe;
mod probes;
pub mod sender;
mod state;
mod target;
pub mod targets;

pub use agent::run;
pub use config::Config;
pub use endpoint::Endpoint;
pub use probe::{Probe, Reading};
pub use targets::Target;
