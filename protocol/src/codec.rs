//! The bodies of reports and acks as CBOR (RFC 8949): maps with small integers as keys, so that versions can mix.
//!
//! A writer leaves out what is unknown, and a reader skips keys that it does not know. A known key that occurs twice,
//! or whose value has another type or is out of range, makes the whole body invalid.
//!
//! [`Sender`](crate::Sender) and [`Receiver`](crate::Receiver) encode and decode bodies themselves. This module is for
//! those who need a body without its datagram, such as tests.

mod ack;
mod endpoint;
mod error;
mod load;
mod padding;
mod read;
mod report;
mod write;

pub use ack::{MAX_ACK_BODY_LENGTH, decode_ack, encode_ack};
pub use error::{DecodeError, TooLong};
pub(crate) use padding::pad_report;
pub use report::{decode_report, encode_report};
