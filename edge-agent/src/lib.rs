//! Weir's edge agent: reports the load of one media server to the balancers.
//!
//! ```text
//! media server ──probe──▶ reading ──▶ agent ──sealed UDP report, every 2.5 s──▶ each target
//! ```
//!
//! | module       | what it holds                                                              |
//! |--------------|----------------------------------------------------------------------------|
//! | [`agent`]    | the agent itself: asks the probes, decides what to report, tells the targets |
//! | [`health`]   | whether the probes still see the media server; pure                        |
//! | [`probe`]    | where load comes from: one module for each kind of media server            |
//! | [`sender`]   | the reports to one target                                                  |
//! | [`identity`] | the GUID file                                                              |
//! | [`targets`]  | target addresses, and `loadbalancertargets.txt`                            |
//! | [`endpoint`] | what the edge serves where                                                 |
#![forbid(unsafe_code)]

pub mod agent;
pub mod endpoint;
pub mod health;
pub mod identity;
pub mod probe;
pub mod sender;
pub mod targets;

pub use agent::{Config, run};
pub use endpoint::Endpoint;
pub use probe::{Probe, Reading};
pub use targets::Target;
