//! What the fuzz targets share.
//!
//! | module     | what it holds                                                       |
//! |------------|---------------------------------------------------------------------|
//! | [`script`] | an input as numbers and pieces, for targets that take several steps |
//! | [`seal`]   | datagrams sealed by hand, right and wrong                           |
//! | [`damage`] | what can happen to a datagram                                       |
#![forbid(unsafe_code)]

pub mod damage;
pub mod script;
pub mod seal;

/// The balancer's clock when a target starts: that of the reports in the corpora. Milliseconds since the Unix epoch.
pub const NOW: u64 = 1_790_000_000_000;

#[cfg(not(fuzzing))]
compile_error!("built without coverage: run cargo inside the folder fuzz/, and without RUSTFLAGS in the environment");
