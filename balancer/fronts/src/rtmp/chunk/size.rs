//! The chunk size: the maximum number of payload bytes in a chunk.

/// The chunk size until the sender announces another one (section 5.4.1).
pub(super) const DEFAULT_CHUNK_SIZE: usize = 128;
