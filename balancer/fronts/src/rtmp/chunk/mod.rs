//! Messages out of chunks, and into chunks (RTMP 1.0, section 5.3).
//!
//! * [`reader`]: bounded, fed with fragments, keeps chunk streams apart.
//! * `header`: the bytes in front of each chunk.
//! * [`writer`]: a whole message at a time, as we send few and short ones.

mod header;
pub mod reader;
pub mod writer;

pub use reader::{Error, Message, Offsets, Reader};
pub use writer::{write_message, write_payload};

/// Bytes of payload in a chunk, unless its sender has said otherwise (RTMP 1.0, section 5.4.1).
const DEFAULT_CHUNK_SIZE: usize = 128;

/// The 24-bit timestamp that says "the timestamp is in the four bytes after the header".
const EXTENDED_TIMESTAMP: [u8; 3] = [0xff; 3];

/// Message types that this front knows (RTMP 1.0, sections 5.4 and 7.1).
pub mod message_type {
    /// Protocol control: the sender's chunks hold this much from now on.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Protocol control: the unfinished message on a chunk stream will not be finished.
    pub const ABORT: u8 = 2;
    /// Protocol control: so many bytes have arrived.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User control: stream begin, buffer length, ping.
    pub const USER_CONTROL: u8 = 4;
    /// Protocol control: the sender wants an acknowledgement that often.
    pub const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
    /// Protocol control: the receiver is to send no more than this unacknowledged.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// A command from a client that speaks AMF3; its values are AMF0 behind one zero byte.
    pub const COMMAND_AMF3: u8 = 17;
    /// A command in AMF0.
    pub const COMMAND_AMF0: u8 = 20;
}
