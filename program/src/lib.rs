//! What Weir's programs have in common.
//!
//! | module      | what it holds                                                       |
//! |-------------|---------------------------------------------------------------------|
//! | [`start`]   | from the command line to the exit code; logs; signals               |
//! | [`config`]  | configuration files: values, addresses, errors                      |
//! | [`keys`]    | key files                                                           |
//! | [`state`]   | the folder for what must survive a restart                          |
//! | [`units`]   | durations, as people write them                                     |
//! | [`random`]  | the system's random source                                          |
//! | [`clock`]   | time since the start, and the time of day                           |
//! | [`listen`]  | sockets to listen on                                                |
//! | [`metrics`] | metrics, each declared where it is counted                          |
//! | [`netlink`] | the sockets by which the kernel is asked and told                   |
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod keys;
pub mod listen;
pub mod metrics;
pub mod netlink;
pub mod random;
pub mod start;
pub mod state;
pub mod units;

pub use start::{Failure, Outcome, say};
