//! Building blocks of configuration files: values with units and ranges, and errors that name the file and the line.
//!
//! | module      | contents                                                    |
//! |-------------|-------------------------------------------------------------|
//! | [`values`]  | durations, numbers with a range, keywords, names, addresses |
//! | [`address`] | addresses to listen on                                      |
//! | [`error`]   | what is wrong with a file, and where                        |
//!
//! The sections of a file belong to the crates whose settings they are. Those crates deserialise their keys with the
//! functions of this module.

pub mod address;
pub mod error;
pub mod values;

pub use address::ListenAddress;
pub use error::{Error, SectionError};
