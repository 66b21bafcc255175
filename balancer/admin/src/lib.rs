//! The administration of a balancer: an HTTP server for operators and monitoring.
//!
//! It listens on an address of its own, `127.0.0.1:8086` by default, so that no client of the balancer can reach it.
//! Health, readiness and metrics are public there. The API, which shows and commands the edges, requires the operators'
//! token, even on the loopback address.
//!
//! [`Admin`] serves the paths in the table of [`routes`]. It reads the published [`Snapshot`](weir_fleet::Snapshot) of
//! the fleet and changes nothing itself: commands go to the control thread through a channel. What other crates know,
//! such as relayed sessions and kernel mode, it sees through the traits [`RelaySource`] and [`KernelMode`], so that it
//! does not depend on those crates.
//!
//! | module       | contents                                                     |
//! |--------------|--------------------------------------------------------------|
//! | [`server`]   | [`Admin`]: accepts connections                               |
//! | [`requests`] | requests and their responses                                 |
//! | [`routes`]   | the paths, their methods, and what follows for 404 and 405   |
//! | [`response`] | responses, and the errors of the API                         |
//! | [`query`]    | parameters in the query of a URL                             |
//! | [`health`]   | whether the balancer can serve clients                       |
//! | [`edges`]    | the edges as JSON                                            |
//! | [`explain`]  | the choice for a client as JSON                              |
//! | [`kernel`]   | kernel mode as JSON                                          |
//! | [`settings`] | the section `[admin]` of the configuration                   |
//! | [`token`]    | the operators' token                                         |
#![forbid(unsafe_code)]

mod edges;
mod explain;
mod health;
mod kernel;
mod query;
mod requests;
mod response;
mod routes;
mod server;
pub mod settings;
pub mod token;

pub use kernel::{FamilyView, KernelMode, KernelView, ServerCounters, ServerView, ServiceView, SysctlView};
pub use server::{Admin, CommandRequest, RelaySource};
pub use settings::Settings;
pub use token::Token;
