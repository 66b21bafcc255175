//! Code that is common to the fuzz targets.
//!
//! | module     | content                                                                |
//! |------------|------------------------------------------------------------------------|
//! | [`script`] | reads an input as numbers and fragments, for targets of several steps  |
//! | [`seal`]   | seals datagrams independently of the protocol crate, valid and invalid |
//! | [`damage`] | damages datagrams                                                      |
#![forbid(unsafe_code)]

pub mod damage;
pub mod script;
pub mod seal;

/// The balancer's clock at the start of a target, in milliseconds since the Unix epoch. The reports in the corpora
/// agree with it.
pub const NOW: u64 = 1_790_000_000_000;

#[cfg(not(fuzzing))]
compile_error!("built without coverage: run cargo inside the folder fuzz/, and without RUSTFLAGS in the environment");
