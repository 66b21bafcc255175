//! What keeps kernel mode from working here, each with the remedy: pure judgements over facts that were collected.
//!
//! | module      | what it holds                                                       |
//! |-------------|---------------------------------------------------------------------|
//! | [`facts`]   | what there is on this machine                                       |
//! | [`reading`] | facts out of the kernel's files; pure                               |
//! | [`judge`]   | findings: what is wrong, and what to do; pure                       |
//! | [`collect`] | asks the kernel; the only part that does I/O                        |
//!
//! [`judge`]: mod@judge

pub mod collect;
pub mod facts;
pub mod judge;
pub mod reading;

pub use facts::{Facts, Requirements};
pub use judge::{Finding, judge};
