//! The outcome of parsing a header.

use crate::proxy_protocol::addresses::Addresses;

/// The outcome of parsing the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The bytes are the start of a header.
    NeedMore,
    /// The bytes begin with a header.
    Complete {
        /// The client's connection. `None` when the header has no addresses or those of a protocol other than TCP; the
        /// addresses of the connection itself apply then.
        addresses: Option<Addresses>,
        /// Whether the proxy connected on its own behalf, for example for a health check (command `LOCAL`).
        is_local: bool,
        /// Length of the header in bytes; the client's bytes follow.
        length: usize,
    },
    /// The bytes are not a header.
    Invalid(Invalid),
}

/// Why the first bytes of a connection are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The signature is that of neither version.
    #[error("no PROXY protocol header")]
    Signature,
    /// A line of version 1 is malformed or too long.
    #[error("malformed PROXY protocol version 1 line")]
    Line,
    /// The version is not 2, or the command is neither `LOCAL` nor `PROXY`.
    #[error("unknown PROXY protocol version or command")]
    Command,
    /// The address family or the transport protocol is not assigned.
    #[error("unknown PROXY protocol address family")]
    Family,
    /// The header is too short for its addresses, or longer than 4112 bytes.
    #[error("PROXY protocol header of invalid length")]
    Length,
}
