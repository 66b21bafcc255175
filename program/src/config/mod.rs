//! Configuration files: values with units and ranges, and errors that name file and line.
//!
//! | module      | what it holds                                                   |
//! |-------------|-----------------------------------------------------------------|
//! | [`values`]  | durations, numbers within a range, words, addresses             |
//! | [`address`] | addresses to listen on                                          |
//! | [`error`]   | what is wrong with a file, and where                            |
//!
//! Each section of a file belongs to the crate that uses it; this is what all of them read their keys with.

pub mod address;
pub mod error;
pub mod values;

pub use address::ListenAddress;
pub use error::{Error, SectionError};
