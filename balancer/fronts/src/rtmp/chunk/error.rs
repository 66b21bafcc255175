//! Why chunks cannot be read.

/// Why reading cannot continue. The boundaries between chunks are lost. The text is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A header announces a message longer than [`Limits::message_length`](crate::rtmp::Limits::message_length). None
    /// of it has been buffered.
    #[error("message too long: at most {limit} bytes")]
    MessageTooLong {
        /// The limit, in bytes.
        limit: usize,
    },

    /// A chunk opens a chunk stream beyond [`Limits::chunk_streams`](crate::rtmp::Limits::chunk_streams).
    #[error("too many chunk streams: at most {limit}")]
    TooManyChunkStreams {
        /// The limit.
        limit: usize,
    },

    /// The first header of a chunk stream is of type 2 or 3, which refer to an earlier one.
    #[error("chunk of type 2 or 3 with none before it on its chunk stream")]
    NothingToContinue,

    /// A header starts a message of another length, type or stream before the current one of its chunk stream is
    /// complete.
    #[error("new message inside an unfinished one on the same chunk stream")]
    UnfinishedMessage,

    /// A Set Chunk Size message requests less than 1 or more than 0x7FFFFFFF bytes.
    #[error("chunk size out of range: 1 to 2147483647 bytes")]
    ChunkSizeOutOfRange,

    /// A Set Chunk Size or Abort message is not four bytes long.
    #[error("protocol control message of wrong length: 4 bytes expected")]
    ControlLength,
}
