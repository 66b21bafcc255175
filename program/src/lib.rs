//! What Weir's programs have in common.
//!
//! | module      | what it holds                                                       |
//! |-------------|---------------------------------------------------------------------|
//! | [`start`]   | from the command line to the exit code; logs; signals               |
//! | [`keys`]    | key files                                                           |
//! | [`state`]   | the folder for what must survive a restart                          |
//! | [`units`]   | durations, as people write them                                     |
//! | [`random`]  | the system's random source                                          |
//! | [`clock`]   | the wall clock                                                      |
//! | [`netlink`] | the sockets by which the kernel is asked and told                   |
#![forbid(unsafe_code)]

pub mod clock;
pub mod keys;
pub mod netlink;
pub mod random;
pub mod start;
pub mod state;
pub mod units;

pub use start::{Failure, Outcome, say};
