//! Health checks: whether a media server works, asked as its clients would.
//!
//! | module        | what it holds                                                        |
//! |---------------|----------------------------------------------------------------------|
//! | [`mod@check`] | what is asked, how often, and what a good answer is                   |
//! | [`monitor`]   | from answers and failures to a verdict, and when to ask next; pure   |
//! | [`runner`]    | the monitors of many servers at work                                 |
//! | [`mod@probe`] | one question to one server                                           |
//! | [`failure`]   | why there was no good answer                                         |
//! | [`ports`]     | the local ports that probes use                                      |
//!
//! What a server answers is read in [`answer`] and [`search`], which are pure.

#![forbid(unsafe_code)]

pub mod answer;
pub mod check;
pub mod failure;
pub mod monitor;
pub mod ports;
pub mod probe;
pub mod runner;
pub mod search;

pub use check::Check;
pub use failure::Failure;
pub use monitor::{Monitor, Verdict};
pub use probe::{ProbeOptions, probe};
pub use runner::{Runner, Status, Subject};
