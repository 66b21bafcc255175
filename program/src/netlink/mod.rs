//! Netlink, the sockets by which the kernel is asked and told (RFC 3549; linux/netlink.h).
//!
//! | module        | what it holds                                                       |
//! |---------------|---------------------------------------------------------------------|
//! | [`message`]   | messages: requests are written, datagrams taken apart               |
//! | [`attribute`] | what is in them                                                     |
//! | [`answer`]    | what an answer says: data, an end, or what the kernel refuses       |
//! | [`addresses`] | the addresses of this machine                                       |
//! | [`socket`]    | the socket, the only part that does I/O                             |
//!
//! All but the socket is pure: numbers are in the host's byte order unless a method says otherwise, nothing panics
//! whatever the bytes, and nothing is reserved that was only announced.

pub mod addresses;
pub mod answer;
pub mod attribute;
pub mod message;
pub mod socket;

pub use answer::{Answer, Refusal};
pub use attribute::{Attribute, Attributes};
pub use message::{Message, Messages, Request, flags};
pub use socket::{Error, Protocol, Socket};

/// Bytes that are no netlink message; what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message: {0}")]
pub struct Malformed(pub &'static str);

/// Messages, and the attributes in them, begin at multiples of this many bytes.
pub(crate) const ALIGNMENT: usize = 4;

/// What follows `length` bytes and the padding behind them; nothing when that is beyond the end.
pub(crate) fn behind(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default()
}
