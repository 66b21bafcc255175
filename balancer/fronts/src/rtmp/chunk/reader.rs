//! Reassembles messages from chunks.

use super::super::limits::Limits;
use super::chunk_stream::ChunkStream;
use super::error::Error;
use super::header::{Format, Header, PartialHeader};
use super::message::{Message, Offsets};
use super::message_type::{ABORT, SET_CHUNK_SIZE};
use super::size::DEFAULT_CHUNK_SIZE;

/// Reads one direction of a connection, from the first byte after the handshake.
///
/// Set Chunk Size and Abort, which concern chunks alone, are applied and not returned.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// The maximum number of payload bytes in a chunk of this sender.
    chunk_size: usize,
    header: PartialHeader,
    /// The chunk whose header is complete and whose payload is not.
    open: Option<OpenChunk>,
    /// All chunk streams in use. They are few, so a scan is faster than a map.
    streams: Vec<ChunkStream>,
    /// The number of bytes received.
    position: usize,
    /// The offset of the header that is being received.
    header_position: usize,
    /// The offsets of the message that was returned last.
    offsets: Offsets,
}

/// A chunk whose payload is being received.
#[derive(Clone, Copy, Debug)]
struct OpenChunk {
    /// The index of its chunk stream.
    stream: usize,
    /// The number of payload bytes that the chunk still lacks.
    left: usize,
}

impl Reader {
    /// Creates a reader with the initial chunk size of the protocol, 128 bytes.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_size: DEFAULT_CHUNK_SIZE,
            header: PartialHeader::default(),
            open: None,
            streams: Vec::new(),
            position: 0,
            header_position: 0,
            offsets: Offsets::default(),
        }
    }

    /// The offsets of the message that was returned last, for callers that keep the bytes.
    pub fn offsets(&self) -> Offsets {
        self.offsets
    }

    /// The number of bytes received, which is the offset of the next one.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The current chunk size of this sender: the maximum number of payload bytes in a chunk.
    pub fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    /// Takes bytes off the front of `input` up to the end of the next message, or all of them if none ends there.
    ///
    /// # Errors
    ///
    /// [`Error`] for input that violates the protocol or a limit. The reader must not be used again.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            let open = match self.open.take() {
                Some(open) => open,
                None => match self.next_header(input) {
                    Some(header) => self.begin_chunk(header)?,
                    None => return Ok(None),
                },
            };
            let stream = &mut self.streams[open.stream];
            let (part, rest) = input.split_at(open.left.min(input.len()));
            *input = rest;
            self.position += part.len();
            stream.append(part);
            if part.len() < open.left {
                let left = open.left - part.len();
                self.open = Some(OpenChunk { left, ..open });
                return Ok(None);
            }
            let offsets = stream.offsets;
            if let Some(message) = stream.take_message()
                && let Some(message) = self.apply_chunk_control(message)?
            {
                self.offsets = offsets;
                return Ok(Some(message));
            }
        }
    }

    /// The number of bytes allocated for incomplete messages.
    pub fn buffered(&self) -> usize {
        self.streams.iter().map(ChunkStream::buffered).sum()
    }

    fn next_header(&mut self, input: &mut &[u8]) -> Option<Header> {
        let streams = &self.streams;
        let extended = |id| {
            let stream = streams.iter().find(|stream| stream.id == id);
            stream.is_some_and(|stream| stream.header.extended)
        };
        if self.header.is_empty() {
            self.header_position = self.position;
        }
        let before = input.len();
        let header = self.header.receive(input, extended);
        self.position += before - input.len();
        header
    }

    fn begin_chunk(&mut self, header: Header) -> Result<OpenChunk, Error> {
        if let Format::Full { header, .. } | Format::SameStream { header } = header.format
            && header.length > self.limits.message_length
        {
            let limit = self.limits.message_length;
            return Err(Error::MessageTooLong { limit });
        }
        let id = header.chunk_stream;
        let known = self.streams.iter().position(|stream| stream.id == id);
        let index = match known {
            Some(index) => index,
            None => self.open_stream(header)?,
        };
        let stream = &mut self.streams[index];
        stream.apply(header.format)?;
        if stream.is_empty() {
            stream.offsets = Offsets { header: self.header_position, payload: self.position };
        }
        Ok(OpenChunk { stream: index, left: stream.missing().min(self.chunk_size) })
    }

    fn open_stream(&mut self, header: Header) -> Result<usize, Error> {
        let id = header.chunk_stream;
        // The first header may be of type 1, without a message stream, which then is 0: librtmp's pings start so.
        let (Format::Full { header, .. } | Format::SameStream { header }) = header.format else {
            return Err(Error::NothingToContinue);
        };
        let limit = self.limits.chunk_streams;
        if self.streams.len() >= limit {
            return Err(Error::TooManyChunkStreams { limit });
        }
        self.streams.push(ChunkStream::new(id, header));
        Ok(self.streams.len() - 1)
    }

    /// Applies a message that concerns chunks, and returns any other.
    fn apply_chunk_control(&mut self, message: Message) -> Result<Option<Message>, Error> {
        if !matches!(message.type_id, SET_CHUNK_SIZE | ABORT) {
            return Ok(Some(message));
        }
        let argument: [u8; 4] = match message.payload.try_into() {
            Ok(argument) => argument,
            Err(_) => return Err(Error::ControlLength),
        };
        let argument = u32::from_be_bytes(argument);
        if message.type_id == ABORT {
            // For an unknown chunk stream, or one without an incomplete message, there is nothing to do (section
            // 5.4.2).
            let stream = self.streams.iter_mut().find(|stream| stream.id == argument);
            if let Some(stream) = stream {
                stream.abort();
            }
            return Ok(None);
        }
        match i32::try_from(argument).map(usize::try_from) {
            Ok(Ok(size)) if size > 0 => self.chunk_size = size,
            _ => return Err(Error::ChunkSizeOutOfRange),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
