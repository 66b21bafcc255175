//! Health checks: whether each server works.
//!
//! | module        | what it holds                                                        |
//! |---------------|----------------------------------------------------------------------|
//! | [`monitor`]   | from answers and failures to a verdict, and when to ask next; pure   |
//! | [`runner`]    | the monitors of many servers at work                                 |
//! | [`mod@probe`] | one question to one server                                           |
//! | [`failure`]   | why there was no good answer                                         |
//!
//! What a server answers is read in [`answer`] and [`search`], which are pure.

pub mod answer;
pub mod failure;
pub mod monitor;
pub mod probe;
pub mod runner;
pub mod search;

pub use failure::Failure;
pub use monitor::{Monitor, Verdict};
pub use probe::{ProbeOptions, probe};
pub use runner::{Runner, Status, Subject};

pub use crate::config::kernel::Check;
