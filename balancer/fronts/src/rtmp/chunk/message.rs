//! A message, and where it is among the bytes received.

/// A reassembled message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message type: see [`super::message_type`].
    pub type_id: u8,
    /// The message stream; 0 for commands about the connection itself.
    pub stream_id: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

/// The offsets of a message among all bytes that a [`super::Reader`] has received.
///
/// Chunks of other messages may come between the chunks of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// The first byte of the header of its first chunk.
    pub header: usize,
    /// The first byte of its payload, or the byte after the header if the message is empty.
    pub payload: usize,
}
