//! The PROXY protocol: a header ahead of a client's bytes with which a proxy passes on the client's address.
//!
//! As in HAProxy's "The PROXY protocol, Versions 1 & 2". All but [`mod@receive`] is pure: bytes in, addresses out, and
//! the reverse.
//!
//! | module          | contents                                               |
//! |-----------------|--------------------------------------------------------|
//! | [`addresses`]   | the two ends of a connection                           |
//! | [`outcome`]     | the outcome of parsing a header                        |
//! | [`v1`]          | the line of text (section 2.1)                         |
//! | [`v2`]          | the binary header (section 2.2)                        |
//! | [`mod@parse`]   | either version, from the first bytes of a connection   |
//! | [`mod@receive`] | either version, from a connection                      |

mod addresses;
mod outcome;
mod parse;
mod receive;
mod v1;
mod v2;

pub use addresses::Addresses;
pub use outcome::{Invalid, Parsed};
pub use parse::{MAX_LENGTH, parse};
pub(crate) use receive::receive;
pub use v1::write as write_v1;
pub use v2::write as write_v2;
