//! Errors of the codec.

/// The body does not fit into the space given. Use shorter names, or fewer hot streams, tags or endpoints.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the report does not fit into a datagram: use shorter names, or fewer tags or endpoints")]
#[non_exhaustive]
pub struct TooLong;

/// The body is not a report, or not an ack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not CBOR, or a value of another type than its key requires.
    #[error("not well-formed CBOR of the expected types: {0}")]
    Cbor(#[from] minicbor::decode::Error),
    /// A required key is missing.
    #[error("key {0} is missing")]
    Missing(u32),
    /// A key occurs twice (RFC 8949 section 5.6).
    #[error("a key occurs twice")]
    Duplicate,
    /// A list has too many entries.
    #[error("{0}: too many")]
    TooMany(&'static str),
    /// A value is outside its range.
    #[error("{0}: out of range")]
    Range(&'static str),
    /// A map or list of indefinite length; bodies have definite lengths only.
    #[error("indefinite length")]
    Indefinite,
    /// Bytes after the end of the map.
    #[error("bytes after the end")]
    Trailing,
}
