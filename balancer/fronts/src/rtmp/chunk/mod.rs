//! Reassembles messages from chunks, and writes them as chunks (section 5.3).
//!
//! * [`reader`]: one direction of a connection, bounded and fed with fragments.
//! * `header`: the header before each chunk.
//! * `chunk_stream`: one chunk stream, with the message that is being reassembled on it.
//! * [`message`]: a reassembled message, and its offsets among the bytes received.
//! * [`message_type`]: the message types that this front uses.
//! * [`error`]: why reading cannot continue.
//! * [`writer`]: writes a complete message at a time, which is enough for few and short ones.
//! * `size`: the chunk size.

mod chunk_stream;
pub mod error;
mod header;
pub mod message;
pub mod message_type;
pub mod reader;
mod size;
pub mod writer;

pub use error::Error;
pub use message::{Message, Offsets};
pub use reader::Reader;
pub use writer::{write_message, write_payload};
