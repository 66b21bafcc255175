//! What a client was answered before it had an edge, and keeping it from the answer that the edge gives as well.
//!
//! The edge is told everything that the client said, and answers all of it. A second answer to the same call has to be one
//! that no client listens to: its transaction is overwritten with one that nobody uses. So the edge's chunks stay as they
//! are, byte for byte in length, and what later chunks refer to in earlier ones is there; after the last such answer the
//! bytes go through untouched. An answer to an unknown transaction is something that every client passes over, since an
//! answer may come after it was given up; an unknown command may not be (a Flash player reports an error).

use super::Limits;
use super::amf0::{Reader, Value};
use super::chunk;
use super::connect::Wrapping;

/// A transaction that no client uses: they count from 1. Fits 32 bits, for those who keep it in an integer.
const NOBODY_S_TRANSACTION: f64 = i32::MAX as f64;

/// Bytes of an AMF0 number after its marker.
const NUMBER_LENGTH: usize = 8;

/// The calls of one client that were answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    calls: Vec<Call>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Call {
    transaction: f64,
    /// The stream that the client was given, for `createStream`.
    stream_id: Option<u32>,
}

impl Answered {
    /// A connect was accepted.
    pub fn connect(&mut self, transaction: f64) {
        self.calls.push(Call { transaction, stream_id: None });
    }

    /// A stream was created; gives its number, 1 for the first as all media servers do.
    pub fn create_stream(&mut self, transaction: f64) -> u32 {
        let before = self.calls.iter().filter_map(|call| call.stream_id).max();
        let stream_id = before.unwrap_or(0) + 1;
        self.calls.push(Call { transaction, stream_id: Some(stream_id) });
        stream_id
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

/// Why a client that was answered cannot go on with this edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The edge refuses what the client was granted.
    #[error("the edge refuses what the client was granted")]
    Refused,

    /// The edge gave a stream another number than the client was told.
    #[error("the edge counts streams in another way than media servers do")]
    OtherStream,

    /// An answer cannot be changed: its chunks are smaller than its first two values.
    #[error("the edge's chunks are too small")]
    SmallChunks,

    /// The edge's chunks break the protocol or a limit.
    #[error(transparent)]
    Chunk(#[from] chunk::Error),

    /// [`Limits::bytes_before_play`] have come from the edge, and not all answers.
    #[error("the edge has not answered in {limit} bytes")]
    TooManyBytes {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Takes in what an edge sends until it has given every answer that the client has had.
#[derive(Debug)]
pub struct Answers {
    awaited: Answered,
    reader: chunk::Reader,
    limit: usize,
    /// All that has come, with the answers overwritten.
    bytes: Vec<u8>,
}

impl Answers {
    /// Waits for the edge's answers to these calls.
    pub fn new(awaited: Answered, limits: Limits) -> Self {
        Self { awaited, reader: chunk::Reader::new(limits), limit: limits.bytes_before_play, bytes: Vec::new() }
    }

    /// Takes in what the edge has sent next; says whether every answer has come.
    ///
    /// # Errors
    ///
    /// [`Error`] is the end: none of these bytes must reach the client.
    pub fn receive(&mut self, input: &[u8]) -> Result<bool, Error> {
        self.bytes.extend_from_slice(input);
        let limit = self.limit;
        while !self.awaited.is_empty() {
            // Those that are over the limit are not looked at, so that pieces do not matter.
            let unread = self.bytes.len() - self.reader.position();
            let most = limit.saturating_sub(self.reader.position());
            let mut allowed = &input[input.len() - unread..][..unread.min(most)];
            let Some(message) = self.reader.receive(&mut allowed)? else {
                return if unread > most { Err(Error::TooManyBytes { limit }) } else { Ok(false) };
            };
            if let Some((_, values)) = Wrapping::unwrap(&message) {
                let values_at = self.reader.offsets().payload + (message.payload.len() - values.len());
                self.look_at(values, values_at)?;
            }
        }
        Ok(true)
    }

    /// What is to be sent to the client.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Looks at a command whose values begin at this position.
    fn look_at(&mut self, values: &[u8], values_at: usize) -> Result<(), Error> {
        let mut reader = Reader::new(values);
        let (Ok(Value::String(name)), Ok(Value::Number(transaction))) = (reader.value(), reader.value()) else {
            return Ok(());
        };
        let is_refusal = name == b"_error";
        let of_call = |call: &Call| call.transaction == transaction;
        let Some(index) = self.awaited.calls.iter().position(of_call).filter(|_| is_refusal || name == b"_result")
        else {
            return Ok(());
        };
        // In their order, which is that of the answers to two calls with the same transaction.
        let call = self.awaited.calls.remove(index);
        if is_refusal {
            return Err(Error::Refused);
        }
        let end = reader.position();
        if let Some(stream_id) = call.stream_id {
            let _no_object = reader.value();
            if reader.value() != Ok(Value::Number(stream_id.into())) {
                return Err(Error::OtherStream);
            }
        }
        // What stands in one chunk stands in one piece.
        let place = self.bytes.get_mut(values_at..values_at + end).ok_or(Error::SmallChunks)?;
        if *place != values[..end] {
            return Err(Error::SmallChunks);
        }
        place[end - NUMBER_LENGTH..].copy_from_slice(&NOBODY_S_TRANSACTION.to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rml_amf0::Amf0Value;
    use rml_rtmp::chunk_io::ChunkDeserializer;

    use super::super::amf0::Writer;
    use super::super::chunk::message_type::{COMMAND_AMF0, COMMAND_AMF3, SET_CHUNK_SIZE};
    use super::super::chunk::write_message;
    use super::super::connect::tests::connect;
    use super::super::{Connect, respond};
    use super::*;

    /// A client whose connect and first stream were granted.
    fn granted() -> Answered {
        let mut answered = Answered::default();
        answered.connect(1.0);
        assert_eq!(answered.create_stream(4.0), 1);
        answered
    }

    fn result(output: &mut Vec<u8>, wrapping: Wrapping, name: &str, transaction: f64, last: f64) {
        let mut payload = wrapping.prefix().to_vec();
        Writer::new(&mut payload).string(name).number(transaction).null().number(last);
        write_message(output, 3, wrapping.type_id(), 0, &payload);
    }

    /// What an edge sends that grants the same, and begins to play.
    fn grants() -> Vec<u8> {
        let mut output = Vec::new();
        respond::accept(&mut output, &connect("live"));
        write_message(&mut output, 2, SET_CHUNK_SIZE, 0, &4096u32.to_be_bytes());
        result(&mut output, Wrapping::Amf0, "_result", 4.0, 1.0);
        write_message(&mut output, 6, 9, 1, b"picture");
        output
    }

    fn receive(answered: Answered, bytes: &[u8]) -> Result<(bool, Vec<u8>), Error> {
        let mut answers = Answers::new(answered, Limits::default());
        let done = answers.receive(bytes)?;
        Ok((done, answers.into_bytes()))
    }

    /// The names and transactions of the commands in `bytes`, and how many messages there are.
    fn commands(bytes: &[u8]) -> (Vec<(String, f64)>, usize) {
        let mut deserializer = ChunkDeserializer::new();
        let mut next = deserializer.get_next_message(bytes).unwrap();
        let mut commands = Vec::new();
        let mut count = 0;
        while let Some(message) = next {
            count += 1;
            if message.type_id == SET_CHUNK_SIZE {
                let size = u32::from_be_bytes(message.data[..].try_into().unwrap());
                deserializer.set_max_chunk_size(size as usize).unwrap();
            }
            if [COMMAND_AMF0, COMMAND_AMF3].contains(&message.type_id) {
                let payload = message.data.strip_prefix(&[0]).unwrap_or(&message.data);
                let values = rml_amf0::deserialize(&mut &payload[..]).unwrap();
                let [Amf0Value::Utf8String(name), Amf0Value::Number(transaction), ..] = &values[..] else {
                    panic!("{values:?}")
                };
                commands.push((name.clone(), *transaction));
            }
            next = deserializer.get_next_message(&[]).unwrap();
        }
        (commands, count)
    }

    #[test]
    fn the_edge_s_answers_are_to_nobody_and_all_else_is_as_it_was() {
        let sent = grants();
        let (done, bytes) = receive(granted(), &sent).unwrap();
        assert!(done);
        let to_nobody = ("_result".to_owned(), 2_147_483_647.0);
        assert_eq!(commands(&bytes), (vec![to_nobody.clone(), to_nobody], 7));
        assert_eq!(bytes.len(), sent.len());
        let changed = bytes.iter().zip(&sent).filter(|(one, other)| one != other).count();
        assert!(changed <= 2 * NUMBER_LENGTH);
    }

    #[test]
    fn answers_to_what_the_client_asked_itself_are_left_alone() {
        let mut sent = grants();
        result(&mut sent, Wrapping::Amf0, "_result", 5.0, 2.0);
        let (_, bytes) = receive(granted(), &sent).unwrap();
        assert_eq!(commands(&bytes).0[2], ("_result".to_owned(), 5.0));
        let mut only_connect = Answered::default();
        only_connect.connect(1.0);
        let (done, bytes) = receive(only_connect, &grants()).unwrap();
        assert!(done);
        assert_eq!(commands(&bytes).0[1], ("_result".to_owned(), 4.0), "the client waits for this one");
        let (done, bytes) = receive(Answered::default(), &grants()).unwrap();
        assert!(done);
        assert_eq!(bytes, grants());
    }

    #[test]
    fn calls_with_one_transaction_are_answered_in_their_order() {
        let mut answered = granted();
        assert_eq!(answered.create_stream(4.0), 2);
        let mut sent = grants();
        result(&mut sent, Wrapping::Amf0, "_result", 4.0, 2.0);
        assert!(receive(answered, &sent).unwrap().0);
    }

    #[test]
    fn an_answer_in_amf3_is_found_too() {
        let mut sent = Vec::new();
        respond::accept(&mut sent, &Connect { wrapping: Wrapping::Amf3, ..connect("live") });
        result(&mut sent, Wrapping::Amf3, "_result", 4.0, 1.0);
        let (done, bytes) = receive(granted(), &sent).unwrap();
        assert!(done);
        assert!(commands(&bytes).0.iter().all(|(_, transaction)| *transaction == NOBODY_S_TRANSACTION));
    }

    #[test]
    fn a_refusal_and_another_stream_are_the_end() {
        for transaction in [1.0, 4.0] {
            let mut sent = Vec::new();
            result(&mut sent, Wrapping::Amf0, "_error", transaction, 1.0);
            assert_eq!(receive(granted(), &sent), Err(Error::Refused));
        }
        let mut sent = Vec::new();
        result(&mut sent, Wrapping::Amf0, "_result", 4.0, 2.0);
        assert_eq!(receive(granted(), &sent), Err(Error::OtherStream));
        let mut sent = Vec::new();
        result(&mut sent, Wrapping::Amf0, "_error", 9.0, 1.0);
        assert!(!receive(granted(), &sent).unwrap().0, "an error to another call is the client's matter");
    }

    #[test]
    fn an_answer_in_tiny_chunks_cannot_be_changed() {
        let mut sent = Vec::new();
        write_message(&mut sent, 2, SET_CHUNK_SIZE, 0, &10u32.to_be_bytes());
        let mut payload = Vec::new();
        Writer::new(&mut payload).string("_result").number(1.0);
        sent.extend_from_slice(b"\x03\0\0\0\0\0\x13\x14\0\0\0\0");
        super::super::chunk::write_payload(&mut sent, &payload, 10, &[0xc3]);
        assert_eq!(receive(granted(), &sent), Err(Error::SmallChunks));
    }

    #[test]
    fn an_edge_that_never_answers_is_given_up() {
        let limits = Limits { bytes_before_play: 100, ..Limits::default() };
        let mut answers = Answers::new(granted(), limits);
        let mut housekeeping = Vec::new();
        write_message(&mut housekeeping, 2, 5, 0, &[0; 4]);
        let mut sent = 0;
        let error = loop {
            sent += housekeeping.len();
            match answers.receive(&housekeeping) {
                Ok(done) => assert!(!done),
                Err(error) => break error,
            }
        };
        assert_eq!((error, sent), (Error::TooManyBytes { limit: 100 }, 112));
    }

    #[test]
    fn streams_are_counted_as_media_servers_count_them() {
        let mut answered = granted();
        assert_eq!(answered.create_stream(5.0), 2);
    }

    proptest! {
        #[test]
        fn any_fragments_give_the_same(sizes in proptest::collection::vec(1usize..60, 1..10)) {
            let sent = grants();
            let (_, whole) = receive(granted(), &sent).unwrap();
            let mut answers = Answers::new(granted(), Limits::default());
            let mut rest = &sent[..];
            let mut done = false;
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, after) = rest.split_at(rest.len().min(*size));
                rest = after;
                done = answers.receive(part).unwrap();
            }
            prop_assert!(done);
            prop_assert_eq!(answers.into_bytes(), whole);
        }

        #[test]
        fn any_bytes_are_kept_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            if let Ok((_, kept)) = receive(granted(), &bytes) {
                prop_assert_eq!(kept.len(), bytes.len());
            }
        }
    }
}
