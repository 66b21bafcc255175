//! Messages in every form and in any fragments, and invalid input.

use bytes::Bytes;
use proptest::prelude::*;
use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;

use super::super::writer::write_message;
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
fn a_message_of_many_chunks_is_reassembled() {
    let payload: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let messages = read(&written(3, 20, &payload)).unwrap();
    assert_eq!(messages, [message(20, &payload)]);
}

#[test]
fn an_empty_message_ends_with_its_header() {
    assert_eq!(read(&written(3, 20, b"")).unwrap(), [message(20, b"")]);
}

#[test]
fn shorter_headers_take_missing_fields_from_the_previous_one() {
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
fn the_offsets_of_a_message_locate_it_among_the_bytes_received() {
    let mut bytes = set_chunk_size(150);
    bytes.extend_from_slice(&written(3, 20, &[b'a'; 200])[..12]);
    bytes.extend_from_slice(&[b'a'; 150]);
    // A message of another chunk stream comes between its chunks.
    bytes.extend_from_slice(&written(4, 20, b"between"));
    bytes.push(0xc3);
    bytes.extend_from_slice(&[b'a'; 50]);
    let mut reader = Reader::new(Limits::default());
    let mut located = Vec::new();
    for part in bytes.chunks(7) {
        let mut input = part;
        while let Some(message) = reader.receive(&mut input).unwrap() {
            located.push((message.payload[0], reader.offsets(), reader.position()));
        }
    }
    let between = 16 + 12 + 150;
    assert_eq!(
        located,
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
fn a_new_chunk_size_applies_from_the_next_chunk() {
    let mut bytes = written(3, 20, &[b'a'; 200])[..12 + 128].to_vec();
    bytes.extend_from_slice(&set_chunk_size(50));
    bytes.extend_from_slice(&[&[0xc3][..], &[b'a'; 50], &[0xc3], &[b'a'; 22]].concat());
    assert_eq!(payloads(&bytes), [vec![b'a'; 200]]);
}

#[test]
fn the_maximum_chunk_size_is_accepted_and_bounded_by_the_message() {
    let mut bytes = set_chunk_size(0x7fff_ffff);
    bytes.extend_from_slice(b"\x03\0\0\0\0\x01\x2c\x14\0\0\0\0");
    bytes.extend_from_slice(&[b'a'; 300]);
    assert_eq!(payloads(&bytes), [vec![b'a'; 300]]);
}

#[test]
fn chunk_sizes_out_of_range_are_rejected() {
    for size in [0, 0x8000_0000, u32::MAX] {
        assert_eq!(read(&set_chunk_size(size)), Err(Error::ChunkSizeOutOfRange));
    }
}

#[test]
fn control_messages_of_a_length_other_than_four_bytes_are_rejected() {
    for type_id in [SET_CHUNK_SIZE, ABORT] {
        for payload in [&b""[..], b"123", b"12345"] {
            let result = read(&written(2, type_id, payload));
            assert_eq!(result, Err(Error::ControlLength));
        }
    }
}

#[test]
fn an_aborted_message_is_discarded() {
    let mut bytes = written(3, 20, &[b'a'; 200])[..12 + 128].to_vec();
    bytes.extend_from_slice(&abort(3));
    bytes.extend_from_slice(&written(3, 20, b"new"));
    assert_eq!(payloads(&bytes), [b"new"]);
}

#[test]
fn aborting_an_unknown_chunk_stream_has_no_effect() {
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
fn a_chunk_stream_cannot_start_with_a_header_of_type_2_or_3() {
    assert_eq!(read(b"\x83\0\0\0"), Err(Error::NothingToContinue));
    assert_eq!(read(b"\xc3"), Err(Error::NothingToContinue));
}

#[test]
fn a_message_cannot_start_before_the_previous_one_is_complete() {
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
fn a_message_over_the_limit_is_rejected_at_its_header() {
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
fn a_ninth_chunk_stream_is_rejected() {
    let streams = |last| (2..=last).flat_map(|id| written(id, 5, b"1234")).collect();
    let eight: Vec<u8> = streams(9);
    assert_eq!(read(&eight).unwrap().len(), 8);
    let nine: Vec<u8> = streams(10);
    assert_eq!(read(&nine), Err(Error::TooManyChunkStreams { limit: 8 }));
}

#[test]
fn no_memory_is_reserved_for_announced_bytes() {
    let mut reader = Reader::new(Limits::default());
    for id in 2..10 {
        let header = [id, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 0];
        read_with(&mut reader, &header).unwrap();
        read_with(&mut reader, &[0; 128]).unwrap();
    }
    assert_eq!(reader.buffered(), 8 * 128);
}

/// Splits `bytes` at the offsets `cuts`, each relative to the last and modulo the remaining length.
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

/// Input that is more often valid than random bytes: headers with small fields, and payloads.
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
    fn the_result_does_not_depend_on_fragments_and_memory_stays_within_the_limits(
        bytes in prop_oneof![chunky(), proptest::collection::vec(any::<u8>(), 0..2000)],
        cuts in proptest::collection::vec(0usize..300, 0..20),
    ) {
        let limits = Limits { message_length: 300, chunk_streams: 3, ..Limits::default() };
        let mut whole = (Vec::new(), None);
        let mut fragmented = (Vec::new(), None);
        for (parts, (messages, error)) in
            [(vec![&bytes[..]], &mut whole), (fragments(&bytes, &cuts), &mut fragmented)]
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
        prop_assert_eq!(whole, fragmented);
    }

    #[test]
    fn chunks_of_another_implementation_are_read(
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
