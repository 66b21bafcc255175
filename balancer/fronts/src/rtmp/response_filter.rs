//! Hides an edge's responses to transactions that the balancer has already answered.
//!
//! An edge receives everything that the client has sent, and responds to all of it. To a transaction that already has a
//! response, the client must not see a second one. The filter overwrites the transaction ID of the second response with
//! one that no client uses. The edge's chunks keep their length, and the references of later chunks to earlier ones
//! stay valid. After the last such response, bytes pass unchanged.
//!
//! Every client ignores a response to an unknown transaction, because a response may arrive after the client has
//! stopped waiting for it. An unknown command would not do: a Flash player reports an error.

use super::amf0::{Reader, Value};
use super::chunk;
use super::encoding::CommandEncoding;
use super::limits::Limits;
use super::transcript::AnsweredTransactions;

/// A transaction ID that no client uses: clients count from 1. It fits 32 bits, for clients that store it as an
/// integer.
const UNUSED_TRANSACTION: f64 = i32::MAX as f64;

/// The number of bytes of an AMF0 number after its marker.
const NUMBER_LENGTH: usize = 8;

/// Why a client cannot continue its session with an edge. No byte from the edge has reached the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The edge rejects a transaction that the balancer has accepted.
    #[error("edge rejected a transaction that was already accepted")]
    Rejected,

    /// The edge assigned another ID to a stream than the balancer did.
    #[error("edge assigned another stream ID than the client was given")]
    StreamIdMismatch,

    /// A response cannot be modified: its chunks are smaller than its first two values.
    #[error("edge sent a response in chunks that are too small to be modified")]
    SmallChunks,

    /// The edge's chunks violate the protocol or a limit.
    #[error(transparent)]
    Chunk(#[from] chunk::Error),

    /// The edge has sent [`Limits::bytes_before_play`] bytes and not all of the responses.
    #[error("edge sent more than {limit} bytes before its responses")]
    TooManyBytes {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Reads the bytes of an edge until it has responded to every transaction that the balancer has answered.
#[derive(Debug)]
pub struct ResponseFilter {
    /// The transactions that the edge has yet to respond to.
    pending: AnsweredTransactions,
    reader: chunk::Reader,
    limit: usize,
    /// All bytes from the edge, with the responses modified.
    bytes: Vec<u8>,
}

impl ResponseFilter {
    /// Creates a filter for the responses to the `answered` transactions.
    pub fn new(answered: AnsweredTransactions, limits: Limits) -> Self {
        let limit = limits.bytes_before_play;
        Self { pending: answered, reader: chunk::Reader::new(limits), limit, bytes: Vec::new() }
    }

    /// Takes the next bytes from the edge. Returns whether every response has arrived.
    ///
    /// # Errors
    ///
    /// [`Error`] is final: no byte from this edge may be sent to the client.
    pub fn receive(&mut self, input: &[u8]) -> Result<bool, Error> {
        self.bytes.extend_from_slice(input);
        let limit = self.limit;
        while !self.pending.is_empty() {
            // Bytes beyond the limit are not read, so that the result does not depend on the fragments.
            let unread = self.bytes.len() - self.reader.position();
            let most = limit.saturating_sub(self.reader.position());
            let mut allowed = &input[input.len() - unread..][..unread.min(most)];
            let Some(message) = self.reader.receive(&mut allowed)? else {
                return if unread > most { Err(Error::TooManyBytes { limit }) } else { Ok(false) };
            };
            if let Some((_, values)) = CommandEncoding::split(&message) {
                let values_offset = self.reader.offsets().payload + (message.payload.len() - values.len());
                self.filter(values, values_offset)?;
            }
        }
        Ok(true)
    }

    /// Returns the bytes to send to the client.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Modifies a command, whose values begin at `values_offset`, if it responds to an answered transaction.
    fn filter(&mut self, values: &[u8], values_offset: usize) -> Result<(), Error> {
        let mut reader = Reader::new(values);
        let (Ok(Value::String(name)), Ok(Value::Number(id))) = (reader.value(), reader.value()) else {
            return Ok(());
        };
        let is_error = name == b"_error";
        if !is_error && name != b"_result" {
            return Ok(());
        }
        // If transactions share an ID, the first response belongs to the first of them.
        let Some(transaction) = self.pending.remove(id) else { return Ok(()) };
        if is_error {
            return Err(Error::Rejected);
        }
        let end = reader.position();
        if let Some(stream_id) = transaction.stream_id {
            let _command_object = reader.value();
            if reader.value() != Ok(Value::Number(stream_id.into())) {
                return Err(Error::StreamIdMismatch);
            }
        }
        // Only values within one chunk are contiguous among the bytes.
        let written = self.bytes.get_mut(values_offset..values_offset + end).ok_or(Error::SmallChunks)?;
        if *written != values[..end] {
            return Err(Error::SmallChunks);
        }
        written[end - NUMBER_LENGTH..].copy_from_slice(&UNUSED_TRANSACTION.to_be_bytes());
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
    use super::super::connect::Connect;
    use super::super::connect::tests::connect;
    use super::super::response;
    use super::*;

    /// A client whose connect and first stream were accepted.
    fn accepted() -> AnsweredTransactions {
        let mut answered = AnsweredTransactions::default();
        answered.record_connect(1.0);
        assert_eq!(answered.record_create_stream(4.0), 1);
        answered
    }

    fn result(output: &mut Vec<u8>, encoding: CommandEncoding, name: &str, transaction: f64, last: f64) {
        let mut payload = encoding.prefix().to_vec();
        Writer::new(&mut payload).string(name).number(transaction).null().number(last);
        write_message(output, 3, encoding.type_id(), 0, &payload);
    }

    /// The bytes of an edge that accepts both as well, and starts to play.
    fn accepting() -> Vec<u8> {
        let mut output = Vec::new();
        response::connect_accepted(&mut output, &connect("live"));
        write_message(&mut output, 2, SET_CHUNK_SIZE, 0, &4096u32.to_be_bytes());
        result(&mut output, CommandEncoding::Amf0, "_result", 4.0, 1.0);
        write_message(&mut output, 6, 9, 1, b"picture");
        output
    }

    fn receive(answered: AnsweredTransactions, bytes: &[u8]) -> Result<(bool, Vec<u8>), Error> {
        let mut filter = ResponseFilter::new(answered, Limits::default());
        let done = filter.receive(bytes)?;
        Ok((done, filter.into_bytes()))
    }

    /// The names and transaction IDs of the commands in `bytes`, and the number of messages.
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
    fn duplicate_responses_get_an_unused_transaction_id_and_nothing_else_changes() {
        let sent = accepting();
        let (done, bytes) = receive(accepted(), &sent).unwrap();
        assert!(done);
        let hidden = ("_result".to_owned(), 2_147_483_647.0);
        assert_eq!(commands(&bytes), (vec![hidden.clone(), hidden], 7));
        assert_eq!(bytes.len(), sent.len());
        let changed = bytes.iter().zip(&sent).filter(|(one, other)| one != other).count();
        assert!(changed <= 2 * NUMBER_LENGTH);
    }

    #[test]
    fn responses_to_other_transactions_pass_unchanged() {
        let mut sent = accepting();
        result(&mut sent, CommandEncoding::Amf0, "_result", 5.0, 2.0);
        let (_, bytes) = receive(accepted(), &sent).unwrap();
        assert_eq!(commands(&bytes).0[2], ("_result".to_owned(), 5.0));
        let mut only_connect = AnsweredTransactions::default();
        only_connect.record_connect(1.0);
        let (done, bytes) = receive(only_connect, &accepting()).unwrap();
        assert!(done);
        assert_eq!(commands(&bytes).0[1], ("_result".to_owned(), 4.0), "the client waits for this one");
        let (done, bytes) = receive(AnsweredTransactions::default(), &accepting()).unwrap();
        assert!(done);
        assert_eq!(bytes, accepting());
    }

    #[test]
    fn transactions_with_one_id_are_matched_in_order() {
        let mut answered = accepted();
        assert_eq!(answered.record_create_stream(4.0), 2);
        let mut sent = accepting();
        result(&mut sent, CommandEncoding::Amf0, "_result", 4.0, 2.0);
        assert!(receive(answered, &sent).unwrap().0);
    }

    #[test]
    fn a_response_in_amf3_is_recognised_too() {
        let mut sent = Vec::new();
        let connect = Connect { encoding: CommandEncoding::Amf3, ..connect("live") };
        response::connect_accepted(&mut sent, &connect);
        result(&mut sent, CommandEncoding::Amf3, "_result", 4.0, 1.0);
        let (done, bytes) = receive(accepted(), &sent).unwrap();
        assert!(done);
        assert!(commands(&bytes).0.iter().all(|(_, transaction)| *transaction == UNUSED_TRANSACTION));
    }

    #[test]
    fn a_rejection_or_another_stream_id_ends_the_session() {
        for transaction in [1.0, 4.0] {
            let mut sent = Vec::new();
            result(&mut sent, CommandEncoding::Amf0, "_error", transaction, 1.0);
            assert_eq!(receive(accepted(), &sent), Err(Error::Rejected));
        }
        let mut sent = Vec::new();
        result(&mut sent, CommandEncoding::Amf0, "_result", 4.0, 2.0);
        assert_eq!(receive(accepted(), &sent), Err(Error::StreamIdMismatch));
        let mut sent = Vec::new();
        result(&mut sent, CommandEncoding::Amf0, "_error", 9.0, 1.0);
        assert!(!receive(accepted(), &sent).unwrap().0, "an error for another transaction is for the client");
    }

    #[test]
    fn a_response_in_tiny_chunks_cannot_be_modified() {
        let mut sent = Vec::new();
        write_message(&mut sent, 2, SET_CHUNK_SIZE, 0, &10u32.to_be_bytes());
        let mut payload = Vec::new();
        Writer::new(&mut payload).string("_result").number(1.0);
        sent.extend_from_slice(b"\x03\0\0\0\0\0\x13\x14\0\0\0\0");
        super::super::chunk::write_payload(&mut sent, &payload, 10, &[0xc3]);
        assert_eq!(receive(accepted(), &sent), Err(Error::SmallChunks));
    }

    #[test]
    fn an_edge_that_never_responds_reaches_the_limit() {
        let limits = Limits { bytes_before_play: 100, ..Limits::default() };
        let mut filter = ResponseFilter::new(accepted(), limits);
        let mut control = Vec::new();
        write_message(&mut control, 2, 5, 0, &[0; 4]);
        let mut sent = 0;
        let error = loop {
            sent += control.len();
            match filter.receive(&control) {
                Ok(done) => assert!(!done),
                Err(error) => break error,
            }
        };
        assert_eq!((error, sent), (Error::TooManyBytes { limit: 100 }, 112));
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_the_fragments(sizes in proptest::collection::vec(1usize..60, 1..10)) {
            let sent = accepting();
            let (_, whole) = receive(accepted(), &sent).unwrap();
            let mut filter = ResponseFilter::new(accepted(), Limits::default());
            let mut rest = &sent[..];
            let mut done = false;
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, after) = rest.split_at(rest.len().min(*size));
                rest = after;
                done = filter.receive(part).unwrap();
            }
            prop_assert!(done);
            prop_assert_eq!(filter.into_bytes(), whole);
        }

        #[test]
        fn any_bytes_are_kept_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            if let Ok((_, kept)) = receive(accepted(), &bytes) {
                prop_assert_eq!(kept.len(), bytes.len());
            }
        }
    }
}
