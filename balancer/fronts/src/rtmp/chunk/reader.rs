//! Reads messages out of chunks.

use super::super::Limits;
use super::DEFAULT_CHUNK_SIZE;
use super::header::{Format, Header, Partial, Start};
use super::message_type::{ABORT, SET_CHUNK_SIZE};

/// One message, put together again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind of message it is: see [`super::message_type`].
    pub type_id: u8,
    /// The message stream it belongs to; 0 for commands about the connection itself.
    pub stream_id: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Where a message stands. Positions count the bytes that its [`Reader`] has received.
///
/// Between the first of them and the last there may be chunks of other messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// The first byte of the header of its first chunk.
    pub header: usize,
    /// The first byte of its payload; of an empty message, the byte after it.
    pub payload: usize,
}

/// Why a chunk stream cannot be read on. After any of these the boundaries between chunks are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A header announces a message longer than [`Limits::message_length`]. None of it has been kept.
    #[error("message too long: at most {limit} bytes")]
    MessageTooLong {
        /// The limit, in bytes.
        limit: usize,
    },

    /// A chunk opens one more chunk stream than [`Limits::chunk_streams`].
    #[error("too many chunk streams: at most {limit}")]
    TooManyChunkStreams {
        /// The limit.
        limit: usize,
    },

    /// A header of type 2 or 3 is the first on its chunk stream: there is nothing it could refer to.
    #[error("chunk of type 2 or 3 with none before it on its chunk stream")]
    NothingToContinue,

    /// A header begins a message of other length, type or stream before the one on its chunk stream is complete.
    #[error("new message inside an unfinished one on the same chunk stream")]
    UnfinishedMessage,

    /// A Set Chunk Size message asks for less than 1 or more than 0x7FFFFFFF bytes.
    #[error("chunk size out of range: 1 to 2147483647 bytes")]
    ChunkSizeOutOfRange,

    /// A Set Chunk Size or Abort message is not four bytes long.
    #[error("protocol control message of wrong length: 4 bytes expected")]
    ControlLength,
}

/// Reads one direction of a connection, from the first byte after the handshake.
///
/// Set Chunk Size and Abort, which concern chunks alone, are obeyed and not handed out.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// Most bytes of payload that a chunk of this client holds.
    chunk_size: usize,
    header: Partial,
    /// The chunk whose header is complete and whose payload is not.
    open: Option<Open>,
    /// All chunk streams seen. Few, so a scan is quicker than a map.
    streams: Vec<ChunkStream>,
    /// Bytes received so far.
    position: usize,
    /// Where the header begins that is being received.
    header_position: usize,
    /// Where the message begins that was handed out last.
    offsets: Offsets,
}

/// A chunk that is being received.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Index of its chunk stream.
    stream: usize,
    /// Bytes of payload still to come in this chunk.
    left: usize,
}

/// The last header of a chunk stream, which later ones refer to, and its unfinished message.
#[derive(Debug)]
struct ChunkStream {
    id: u32,
    message: Start,
    stream_id: u32,
    payload: Vec<u8>,
    /// Where the unfinished message begins.
    offsets: Offsets,
}

impl Reader {
    /// Reads with the chunk size that the protocol starts with: 128 bytes.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_size: DEFAULT_CHUNK_SIZE,
            header: Partial::default(),
            open: None,
            streams: Vec::new(),
            position: 0,
            header_position: 0,
            offsets: Offsets::default(),
        }
    }

    /// Where the message begins that was handed out last, for whoever keeps the bytes.
    pub fn offsets(&self) -> Offsets {
        self.offsets
    }

    /// How many bytes have been received: where the next one will stand.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Most bytes of payload that a chunk of this sender holds now.
    pub fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    /// Takes bytes off the front of `input` up to the end of the next message, or all of them if none ends there.
    ///
    /// # Errors
    ///
    /// [`Error`] for what the protocol or the limits forbid. The reader must not be used again.
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
                self.open = Some(Open { left, ..open });
                return Ok(None);
            }
            let place = stream.offsets;
            if let Some(message) = stream.finished()
                && let Some(message) = self.obey(message)?
            {
                self.offsets = place;
                return Ok(Some(message));
            }
        }
    }

    /// Bytes of memory that unfinished messages take.
    pub fn buffered(&self) -> usize {
        let payloads = self.streams.iter().map(|stream| stream.payload.capacity());
        payloads.sum()
    }

    fn next_header(&mut self, input: &mut &[u8]) -> Option<Header> {
        let streams = &self.streams;
        let extended = |id| {
            let stream = streams.iter().find(|stream| stream.id == id);
            stream.is_some_and(|stream| stream.message.extended)
        };
        if self.header.is_empty() {
            self.header_position = self.position;
        }
        let before = input.len();
        let header = self.header.receive(input, extended);
        self.position += before - input.len();
        header
    }

    fn begin_chunk(&mut self, header: Header) -> Result<Open, Error> {
        if let Format::Full { message, .. } | Format::SameStream { message } = header.format
            && message.length > self.limits.message_length
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
        stream.continue_with(header.format)?;
        if stream.payload.is_empty() {
            stream.offsets = Offsets { header: self.header_position, payload: self.position };
        }
        let left = stream.message.length - stream.payload.len();
        Ok(Open { stream: index, left: left.min(self.chunk_size) })
    }

    fn open_stream(&mut self, header: Header) -> Result<usize, Error> {
        // A first header of type 1 goes without a message stream, which then is 0: librtmp's pings begin so.
        let (Format::Full { message, .. } | Format::SameStream { message }) = header.format else {
            return Err(Error::NothingToContinue);
        };
        let limit = self.limits.chunk_streams;
        if self.streams.len() >= limit {
            return Err(Error::TooManyChunkStreams { limit });
        }
        self.streams.push(ChunkStream {
            id: header.chunk_stream,
            message,
            stream_id: 0,
            payload: Vec::new(),
            offsets: Offsets::default(),
        });
        Ok(self.streams.len() - 1)
    }

    /// Obeys a message that concerns chunks; any other is handed back.
    fn obey(&mut self, message: Message) -> Result<Option<Message>, Error> {
        if !matches!(message.type_id, SET_CHUNK_SIZE | ABORT) {
            return Ok(Some(message));
        }
        let argument: [u8; 4] = match message.payload.try_into() {
            Ok(argument) => argument,
            Err(_) => return Err(Error::ControlLength),
        };
        let argument = u32::from_be_bytes(argument);
        if message.type_id == ABORT {
            // One that is not known or has nothing unfinished: nothing to do (section 5.4.2).
            let stream = self.streams.iter_mut().find(|stream| stream.id == argument);
            if let Some(stream) = stream {
                stream.payload = Vec::new();
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

impl ChunkStream {
    /// Takes over what a header says.
    fn continue_with(&mut self, format: Format) -> Result<(), Error> {
        let message = match format {
            Format::Full { message, .. } | Format::SameStream { message } => message,
            Format::TimestampOnly { extended } => Start { extended, ..self.message },
            Format::Nothing => self.message,
        };
        let stream_id = match format {
            Format::Full { stream_id, .. } => stream_id,
            _ => self.stream_id,
        };
        // Only type 3 should continue a message; some senders repeat the full header, which does no harm.
        let same = message.length == self.message.length
            && message.type_id == self.message.type_id
            && stream_id == self.stream_id;
        if !self.payload.is_empty() && !same {
            return Err(Error::UnfinishedMessage);
        }
        self.message = message;
        self.stream_id = stream_id;
        Ok(())
    }

    /// Doubles its memory as bytes arrive, as a `Vec` would, but never beyond the message's length.
    fn append(&mut self, part: &[u8]) {
        let length = self.payload.len() + part.len();
        if length > self.payload.capacity() {
            let doubled = (2 * self.payload.len()).min(self.message.length);
            self.payload.reserve_exact(length.max(doubled) - self.payload.len());
        }
        self.payload.extend_from_slice(part);
    }

    fn finished(&mut self) -> Option<Message> {
        (self.payload.len() == self.message.length).then(|| Message {
            type_id: self.message.type_id,
            stream_id: self.stream_id,
            payload: std::mem::take(&mut self.payload),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rml_rtmp::chunk_io::ChunkSerializer;
    use rml_rtmp::messages::MessagePayload;
    use rml_rtmp::time::RtmpTimestamp;

    use super::super::write_message;
    use super::*;

    fn read_with(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<Message>, Error> {
        let mut input = bytes;
        let mut messages = Vec::new();
        while let Some(message) = reader.receive(&mut input)? {
            messages.push(message);
        }
        assert!(input.is_empty(), "all input is taken");
        Ok(messages)
    }

    fn read(bytes: &[u8]) -> Result<Vec<Message>, Error> {
        read_with(&mut Reader::new(Limits::default()), bytes)
    }

    fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
        let messages = read(bytes).unwrap().into_iter();
        messages.map(|message| message.payload).collect()
    }

    fn message(type_id: u8, payload: &[u8]) -> Message {
        Message { type_id, stream_id: 0, payload: payload.to_vec() }
    }

    fn written(chunk_stream: u8, type_id: u8, payload: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        write_message(&mut output, chunk_stream, type_id, 0, payload);
        output
    }

    fn set_chunk_size(size: u32) -> Vec<u8> {
        written(2, SET_CHUNK_SIZE, &size.to_be_bytes())
    }

    fn abort(chunk_stream: u32) -> Vec<u8> {
        written(2, ABORT, &chunk_stream.to_be_bytes())
    }

    #[test]
    fn a_message_of_many_chunks_is_put_together() {
        let payload: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let messages = read(&written(3, 20, &payload)).unwrap();
        assert_eq!(messages, [message(20, &payload)]);
    }

    #[test]
    fn an_empty_message_ends_with_its_header() {
        assert_eq!(read(&written(3, 20, b"")).unwrap(), [message(20, b"")]);
    }

    #[test]
    fn shorter_headers_take_the_rest_from_the_one_before() {
        let mut bytes = b"\x03\0\0\0\0\0\x03\x14\x07\0\0\0abc".to_vec();
        bytes.extend_from_slice(b"\x43\0\0\0\0\0\x02\x12de");
        bytes.extend_from_slice(b"\x83\0\0\0fg");
        bytes.extend_from_slice(b"\xc3hi");
        let messages = read(&bytes).unwrap();
        let seen: Vec<_> =
            messages.iter().map(|message| (message.type_id, message.stream_id, &message.payload[..])).collect();
        assert_eq!(seen, [(20, 7, &b"abc"[..]), (18, 7, b"de"), (18, 7, b"fg"), (18, 7, b"hi")]);
    }

    #[test]
    fn a_message_is_found_again_among_the_bytes_it_came_in() {
        let mut bytes = set_chunk_size(150);
        bytes.extend_from_slice(&written(3, 20, &[b'a'; 200])[..12]);
        bytes.extend_from_slice(&[b'a'; 150]);
        // The rest of it comes after a message of another chunk stream.
        bytes.extend_from_slice(&written(4, 20, b"between"));
        bytes.push(0xc3);
        bytes.extend_from_slice(&[b'a'; 50]);
        let mut reader = Reader::new(Limits::default());
        let mut places = Vec::new();
        for part in bytes.chunks(7) {
            let mut input = part;
            while let Some(message) = reader.receive(&mut input).unwrap() {
                places.push((message.payload[0], reader.offsets(), reader.position()));
            }
        }
        let between = 16 + 12 + 150;
        assert_eq!(
            places,
            [
                (b'b', Offsets { header: between, payload: between + 12 }, between + 12 + 7),
                (b'a', Offsets { header: 16, payload: 16 + 12 }, bytes.len()),
            ]
        );
        assert_eq!(reader.chunk_size(), 150);
    }

    #[test]
    fn interleaved_chunk_streams_are_kept_apart() {
        let first = written(3, 20, &[b'a'; 200]);
        let second = written(4, 20, &[b'b'; 200]);
        let mut bytes = first[..12 + 128].to_vec();
        bytes.extend_from_slice(&second[..12 + 128]);
        bytes.extend_from_slice(&written(2, 5, b"1234"));
        bytes.extend_from_slice(&first[12 + 128..]);
        bytes.extend_from_slice(&second[12 + 128..]);
        assert_eq!(payloads(&bytes), [b"1234".to_vec(), vec![b'a'; 200], vec![b'b'; 200]]);
    }

    #[test]
    fn a_full_header_repeated_inside_a_message_continues_it() {
        let header = b"\x03\0\0\0\0\0\xc8\x14\0\0\0\0";
        let bytes = [&header[..], &[b'a'; 128], header, &[b'a'; 72]].concat();
        assert_eq!(payloads(&bytes), [vec![b'a'; 200]]);
    }

    #[test]
    fn a_new_chunk_size_holds_from_the_next_chunk_on() {
        let mut bytes = written(3, 20, &[b'a'; 200])[..12 + 128].to_vec();
        bytes.extend_from_slice(&set_chunk_size(50));
        bytes.extend_from_slice(&[&[0xc3][..], &[b'a'; 50], &[0xc3], &[b'a'; 22]].concat());
        assert_eq!(payloads(&bytes), [vec![b'a'; 200]]);
    }

    #[test]
    fn the_largest_chunk_size_is_allowed_and_bounded_by_the_message() {
        let mut bytes = set_chunk_size(0x7fff_ffff);
        bytes.extend_from_slice(b"\x03\0\0\0\0\x01\x2c\x14\0\0\0\0");
        bytes.extend_from_slice(&[b'a'; 300]);
        assert_eq!(payloads(&bytes), [vec![b'a'; 300]]);
    }

    #[test]
    fn chunk_sizes_out_of_range_are_refused() {
        for size in [0, 0x8000_0000, u32::MAX] {
            assert_eq!(read(&set_chunk_size(size)), Err(Error::ChunkSizeOutOfRange));
        }
    }

    #[test]
    fn control_messages_of_other_than_four_bytes_are_refused() {
        for type_id in [SET_CHUNK_SIZE, ABORT] {
            for payload in [&b""[..], b"123", b"12345"] {
                let result = read(&written(2, type_id, payload));
                assert_eq!(result, Err(Error::ControlLength));
            }
        }
    }

    #[test]
    fn an_aborted_message_is_forgotten_and_the_next_begins() {
        let mut bytes = written(3, 20, &[b'a'; 200])[..12 + 128].to_vec();
        bytes.extend_from_slice(&abort(3));
        bytes.extend_from_slice(&written(3, 20, b"new"));
        assert_eq!(payloads(&bytes), [b"new"]);
    }

    #[test]
    fn aborting_what_is_not_there_does_nothing() {
        let mut bytes = abort(9);
        bytes.extend_from_slice(&written(3, 20, b"new"));
        assert_eq!(payloads(&bytes), [b"new"]);
    }

    #[test]
    fn an_extended_timestamp_is_repeated_in_continuations() {
        let header = b"\x03\xff\xff\xff\0\0\xc8\x14\0\0\0\0\x01\x02\x03\x04";
        let next = b"\xc3\x01\x02\x03\x04";
        let bytes = [&header[..], &[b'a'; 128], next, &[b'a'; 72]].concat();
        assert_eq!(payloads(&bytes), [vec![b'a'; 200]]);
    }

    #[test]
    fn a_first_header_of_type_1_is_on_message_stream_0() {
        let messages = read(b"\x42\0\0\0\0\0\x04\x051234").unwrap();
        assert_eq!(messages, [message(5, b"1234")]);
    }

    #[test]
    fn a_chunk_stream_cannot_begin_with_a_reference() {
        assert_eq!(read(b"\x83\0\0\0"), Err(Error::NothingToContinue));
        assert_eq!(read(b"\xc3"), Err(Error::NothingToContinue));
    }

    #[test]
    fn another_message_cannot_begin_inside_an_unfinished_one() {
        let begun = &written(3, 20, &[b'a'; 200])[..12 + 128];
        let others: [&[u8]; 4] = [
            b"\x03\0\0\0\0\0\xc9\x14\0\0\0\0",
            b"\x03\0\0\0\0\0\xc8\x12\0\0\0\0",
            b"\x03\0\0\0\0\0\xc8\x14\x01\0\0\0",
            b"\x43\0\0\0\0\0\x01\x14",
        ];
        for other in others {
            let result = read(&[begun, other].concat());
            assert_eq!(result, Err(Error::UnfinishedMessage));
        }
    }

    #[test]
    fn a_message_over_the_limit_is_refused_at_its_header() {
        let full = |length: [u8; 3]| [&[3, 0, 0, 0], &length[..], &[20, 0, 0, 0, 0]].concat();
        let limit = 65_536;
        assert_eq!(read(&full([1, 0, 0])), Ok(vec![]));
        let error = Err(Error::MessageTooLong { limit });
        assert_eq!(read(&full([1, 0, 1])), error);
        let same_stream = [&full([0, 0, 0])[..], b"\x43\0\0\0\xff\xff\xff\x14"].concat();
        let mut reader = Reader::new(Limits::default());
        let mut input = &same_stream[..];
        assert!(reader.receive(&mut input).unwrap().is_some());
        assert_eq!(reader.receive(&mut input), Err(Error::MessageTooLong { limit }));
    }

    #[test]
    fn a_ninth_chunk_stream_is_refused() {
        let streams = |last| (2..=last).flat_map(|id| written(id, 5, b"1234")).collect();
        let eight: Vec<u8> = streams(9);
        assert_eq!(read(&eight).unwrap().len(), 8);
        let nine: Vec<u8> = streams(10);
        assert_eq!(read(&nine), Err(Error::TooManyChunkStreams { limit: 8 }));
    }

    #[test]
    fn nothing_is_reserved_for_bytes_that_are_only_announced() {
        let mut reader = Reader::new(Limits::default());
        for id in 2..10 {
            let header = [id, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 0];
            read_with(&mut reader, &header).unwrap();
            read_with(&mut reader, &[0; 128]).unwrap();
        }
        assert_eq!(reader.buffered(), 8 * 128);
    }

    /// Splits `bytes` at the given places, each taken modulo what is left.
    fn fragments<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut rest = bytes;
        let mut parts = Vec::new();
        for cut in cuts {
            let (part, after) = rest.split_at(cut % (rest.len() + 1));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        parts
    }

    /// Bytes that get further than noise would: headers with small fields, and payloads.
    fn chunky() -> impl Strategy<Value = Vec<u8>> {
        let header = (0u8..4, 0u8..12, any::<bool>(), 0u16..400, 0u8..24);
        let chunk = (header, proptest::collection::vec(0u8..3, 0..150)).prop_map(
            |((format, id, extended, length, type_id), payload)| {
                let timestamp = if extended { 0xff } else { 0 };
                let [high, low] = length.to_be_bytes();
                let full = [timestamp, timestamp, timestamp, 0, high, low, type_id, 0, 0, 0, 0];
                let header_length = [11, 7, 3, 0][usize::from(format)];
                [&[format << 6 | id][..], &full[..header_length], &payload].concat()
            },
        );
        proptest::collection::vec(chunk, 0..12).prop_map(|chunks| chunks.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_fragments_give_the_same_and_stay_within_the_limits(
            bytes in prop_oneof![chunky(), proptest::collection::vec(any::<u8>(), 0..2000)],
            cuts in proptest::collection::vec(0usize..300, 0..20),
        ) {
            let limits = Limits { message_length: 300, chunk_streams: 3, ..Limits::default() };
            let mut whole = (Vec::new(), None);
            let mut pieces = (Vec::new(), None);
            for (parts, (messages, error)) in
                [(vec![&bytes[..]], &mut whole), (fragments(&bytes, &cuts), &mut pieces)]
            {
                let mut reader = Reader::new(limits);
                let mut received = 0;
                'parts: for part in parts {
                    let mut input = part;
                    received += part.len();
                    loop {
                        let result = reader.receive(&mut input);
                        prop_assert!(reader.buffered() <= limits.message_length * limits.chunk_streams);
                        prop_assert!(reader.buffered() <= 2 * received);
                        match result {
                            Ok(Some(message)) => messages.push(message),
                            Ok(None) => break,
                            Err(cause) => { *error = Some(cause); break 'parts; }
                        }
                    }
                }
            }
            prop_assert_eq!(whole, pieces);
        }

        #[test]
        fn what_another_implementation_writes_is_read(
            messages in proptest::collection::vec(
                (
                    prop_oneof![Just(20u8), Just(17), Just(18), Just(8), Just(9), Just(5)],
                    prop_oneof![0u32..3, any::<u32>()],
                    prop_oneof![0u32..1000, 0xff_ff_f0u32..0xff_ff_ff + 9],
                    proptest::collection::vec(any::<u8>(), 1..600),
                    proptest::option::of(1u32..500),
                ),
                1..10,
            )
        ) {
            let mut serializer = ChunkSerializer::new();
            let mut bytes = Vec::new();
            for (type_id, stream_id, timestamp, payload, chunk_size) in &messages {
                let timestamp = RtmpTimestamp::new(*timestamp);
                if let Some(size) = chunk_size {
                    let packet = serializer.set_max_chunk_size(*size, timestamp).unwrap();
                    bytes.extend(packet.bytes);
                }
                let message = MessagePayload {
                    timestamp,
                    type_id: *type_id,
                    message_stream_id: *stream_id,
                    data: Bytes::from(payload.clone()),
                };
                bytes.extend(serializer.serialize(&message, false, false).unwrap().bytes);
            }
            let read = read(&bytes).unwrap();
            prop_assert_eq!(read.len(), messages.len());
            for (ours, (type_id, stream_id, _, payload, _)) in read.iter().zip(&messages) {
                prop_assert_eq!(ours.type_id, *type_id);
                prop_assert_eq!(ours.stream_id, *stream_id);
                prop_assert_eq!(&ours.payload, payload);
            }
        }
    }
}
