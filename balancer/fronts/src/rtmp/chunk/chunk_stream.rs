//! One chunk stream, with the message that is being reassembled on it.

use super::error::Error;
use super::header::{Format, MessageHeader};
use super::message::{Message, Offsets};

/// The last header of a chunk stream, which later headers refer to, and its incomplete message.
#[derive(Debug)]
pub(super) struct ChunkStream {
    pub(super) id: u32,
    pub(super) header: MessageHeader,
    stream_id: u32,
    payload: Vec<u8>,
    /// The offsets of the incomplete message.
    pub(super) offsets: Offsets,
}

impl ChunkStream {
    /// Opens the chunk stream `id` with its first header. Message stream 0 is assumed until a header names one.
    pub(super) fn new(id: u32, header: MessageHeader) -> Self {
        Self { id, header, stream_id: 0, payload: Vec::new(), offsets: Offsets::default() }
    }

    /// Returns whether no byte of a message has arrived since the last complete one.
    pub(super) fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    /// The number of payload bytes that the message still lacks.
    pub(super) fn missing(&self) -> usize {
        self.header.length - self.payload.len()
    }

    /// The number of bytes allocated for the incomplete message.
    pub(super) fn buffered(&self) -> usize {
        self.payload.capacity()
    }

    /// Discards the incomplete message.
    pub(super) fn abort(&mut self) {
        self.payload = Vec::new();
    }

    /// Applies the header of the next chunk.
    pub(super) fn apply(&mut self, format: Format) -> Result<(), Error> {
        let header = match format {
            Format::Full { header, .. } | Format::SameStream { header } => header,
            Format::TimestampOnly { extended } => MessageHeader { extended, ..self.header },
            Format::Empty => self.header,
        };
        let stream_id = match format {
            Format::Full { stream_id, .. } => stream_id,
            _ => self.stream_id,
        };
        // Only type 3 should continue a message. Some senders repeat the full header, which does no harm.
        let same =
            header.length == self.header.length && header.type_id == self.header.type_id && stream_id == self.stream_id;
        if !self.payload.is_empty() && !same {
            return Err(Error::UnfinishedMessage);
        }
        self.header = header;
        self.stream_id = stream_id;
        Ok(())
    }

    /// Appends payload. The buffer doubles as bytes arrive, as a `Vec` would, but never beyond the message's length.
    pub(super) fn append(&mut self, part: &[u8]) {
        let length = self.payload.len() + part.len();
        if length > self.payload.capacity() {
            let doubled = (2 * self.payload.len()).min(self.header.length);
            self.payload.reserve_exact(length.max(doubled) - self.payload.len());
        }
        self.payload.extend_from_slice(part);
    }

    /// Removes the message, if it is complete.
    pub(super) fn take_message(&mut self) -> Option<Message> {
        (self.payload.len() == self.header.length).then(|| Message {
            type_id: self.header.type_id,
            stream_id: self.stream_id,
            payload: std::mem::take(&mut self.payload),
        })
    }
}
