//! Netlink, the kernel's socket interface for configuration and status (RFC 3549; linux/netlink.h).
//!
//! | module        | contents                                                            |
//! |---------------|---------------------------------------------------------------------|
//! | [`message`]   | encodes requests and splits received datagrams into messages        |
//! | [`attribute`] | attributes, the payload of messages                                 |
//! | [`reply`]     | classifies reply messages: data, end, or error                      |
//! | [`addresses`] | the addresses of this machine (rtnetlink)                           |
//! | [`socket`]    | the socket, the only part that does I/O                             |
//!
//! Everything except the socket is pure. Numbers are in host byte order unless a method says otherwise. No input causes
//! a panic, and no memory is allocated from a length field that the data does not back up.

pub mod addresses;
pub mod attribute;
pub mod message;
pub mod reply;
pub mod socket;

pub use attribute::{Attribute, Attributes};
pub use message::{Message, Messages, Request, flags};
pub use reply::{Refusal, Reply};
pub use socket::{Error, Protocol, Socket};

/// Bytes that are not a valid netlink message, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message: {0}")]
pub struct Malformed(pub &'static str);

/// Alignment of messages, and of attributes within them, in bytes (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
pub(crate) const ALIGNMENT: usize = 4;

/// Returns the bytes after the first `length` bytes and their padding; empty if that is beyond the end, since the last
/// item needs no padding.
pub(crate) fn after_padded(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default()
}
