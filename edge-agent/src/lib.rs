//! Weir's edge agent: reports the load of one media server to the balancers, and applies the commands of operators.
//!
//! The agent runs beside the media server. Twice a second each probe reads the load: from the media server itself, or
//! from the kernel. Every 2.5 s, and at once when something important changes, the agent sends a sealed UDP report to
//! every balancer. A balancer answers each report with an ack, which may contain a command of its operator: pause,
//! unpause or drain.
//!
//! ```text
//! media server ──probe──▶ reading ──▶ agent ──sealed UDP report, every 2.5 s──▶ each balancer
//!                                       ▲                                          │
//!                                       └──────────sealed ack, with a command──────┘
//! ```
//!
//! The edge owns its state. It saves a command before it confirms it, and repeats its state in every report, so that a
//! balancer can be restarted at any time. An operator on the machine can give the same commands through a socket in the
//! state folder.
//!
//! | module             | contents                                                                     |
//! |--------------------|------------------------------------------------------------------------------|
//! | [`config`]         | settings of an agent, and the reports that follow from them                  |
//! | [`agent`]          | the agent: reads probes, applies commands, decides when to report            |
//! | [`snapshot`]       | the reported state, and whether a change is urgent; pure                     |
//! | [`pace`]           | when the next report is due; pure                                            |
//! | [`availability`]   | why the edge takes no clients: operator, capacity, health; pure              |
//! | [`state_file`]     | the operator's commands, kept over restarts                                  |
//! | [`health`]         | whether the probes succeed; pure                                             |
//! | [`probe`]          | sources of load figures: one file for each kind of media server              |
//! | [`prober`]         | runs the probes                                                              |
//! | [`accepted`]       | counts accepted connections for media servers that do not; pure              |
//! | [`target`]         | the exchange of reports and acks with one balancer                           |
//! | [`sender`]         | the socket for one balancer                                                  |
//! | [`control`]        | the socket through which operators on this machine command the agent         |
//! | [`identity`]       | the GUID file                                                                |
//! | [`targets`]        | addresses of balancers, and `loadbalancertargets.txt`                        |
//! | [`endpoint`]       | schemes and ports that the edge serves                                       |
//! | [`direct_routing`] | makes this machine a real server for direct routing (LVS-DR)                 |
#![forbid(unsafe_code)]

mod accepted;
pub mod agent;
mod availability;
pub mod config;
pub mod control;
pub mod direct_routing;
pub mod endpoint;
pub mod health;
pub mod identity;
mod pace;
pub mod probe;
mod prober;
pub mod sender;
mod snapshot;
mod state_file;
mod target;
pub mod targets;

pub use agent::run;
pub use config::Config;
pub use endpoint::Endpoint;
pub use probe::{Probe, Reading};
pub use targets::Target;
