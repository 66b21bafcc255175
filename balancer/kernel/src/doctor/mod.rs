//! Finds problems that keep kernel mode from working on this machine, and their remedies.
//!
//! | module        | contents                                                |
//! |---------------|---------------------------------------------------------|
//! | [`facts`]     | requirements of the services, and facts of the machine  |
//! | [`procfs`]    | parsers for files of `/proc`; pure                      |
//! | [`diagnosis`] | findings: problems and remedies; pure                   |
//! | [`collect`]   | collects the facts; the only part that does I/O         |

pub mod collect;
pub mod diagnosis;
pub mod facts;
pub mod procfs;

pub use diagnosis::{Finding, diagnose};
pub use facts::{Facts, Requirements};
