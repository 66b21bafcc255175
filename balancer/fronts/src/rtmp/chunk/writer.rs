//! Writes messages as chunks.

use super::size::DEFAULT_CHUNK_SIZE;

/// The chunk stream for commands. The protocol leaves the ID to the sender. Every server uses 3, and some clients read
/// responses on no other chunk stream.
pub const COMMAND_CHUNK_STREAM: u8 = 3;

/// A basic header of type 3, which continues a message.
const CONTINUATION: u8 = 3 << 6;

/// The maximum length of a message: the length field has 24 bits.
const MAX_MESSAGE_LENGTH: usize = 0xff_ff_ff;

/// Appends one message to `output`: a chunk with a full header and timestamp 0, and the continuations that chunks of
/// 128 bytes require. That is the chunk size as long as the balancer announces no other (section 5.4.1).
///
/// `chunk_stream` is 2 to 63, the IDs that fit a basic header of one byte.
///
/// # Panics
///
/// If `payload` is longer than 16,777,215 bytes or `chunk_stream` is out of range. Callers bound both.
pub fn write_message(output: &mut Vec<u8>, chunk_stream: u8, type_id: u8, stream_id: u32, payload: &[u8]) {
    assert!((2..=63).contains(&chunk_stream));
    assert!(payload.len() <= MAX_MESSAGE_LENGTH);
    let [.., high, middle, low] = payload.len().to_be_bytes();
    output.extend_from_slice(&[chunk_stream, 0, 0, 0, high, middle, low, type_id]);
    output.extend_from_slice(&stream_id.to_le_bytes());
    write_payload(output, payload, DEFAULT_CHUNK_SIZE, &[CONTINUATION | chunk_stream]);
}

/// Appends the payload of a message, after its header, in chunks of `chunk_size` bytes. `continuation` is the header of
/// each chunk but the first.
pub fn write_payload(output: &mut Vec<u8>, payload: &[u8], chunk_size: usize, continuation: &[u8]) {
    for (index, part) in payload.chunks(chunk_size.max(1)).enumerate() {
        if index > 0 {
            output.extend_from_slice(continuation);
        }
        output.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rml_rtmp::chunk_io::ChunkDeserializer;

    use super::*;

    #[test]
    fn a_short_message_is_one_chunk() {
        let mut output = Vec::new();
        write_message(&mut output, 3, 20, 0x0102, b"abc");
        assert_eq!(output, b"\x03\0\0\0\0\0\x03\x14\x02\x01\0\0abc");
    }

    #[test]
    fn a_longer_message_is_split_into_chunks_of_128_bytes() {
        for (length, chunks) in [(0, 1), (128, 1), (129, 2), (256, 2), (257, 3)] {
            let mut output = Vec::new();
            write_message(&mut output, 3, 20, 0, &vec![b'a'; length]);
            assert_eq!(output.len(), 12 + length + chunks - 1, "length {length}");
        }
        let mut output = Vec::new();
        write_message(&mut output, 3, 20, 0, &[b'a'; 129]);
        assert_eq!(output[12 + 128..], [0xc3, b'a']);
    }

    #[test]
    #[should_panic(expected = "chunk_stream")]
    fn a_chunk_stream_id_of_two_bytes_panics() {
        write_message(&mut Vec::new(), 64, 20, 0, b"");
    }

    proptest! {
        #[test]
        fn another_implementation_reads_every_message(
            payload in proptest::collection::vec(any::<u8>(), 1..1000),
            chunk_stream in 2u8..64,
            type_id: u8,
            stream_id: u32,
        ) {
            let mut output = Vec::new();
            write_message(&mut output, chunk_stream, type_id, stream_id, &payload);
            let message = ChunkDeserializer::new().get_next_message(&output).unwrap().unwrap();
            prop_assert_eq!(&message.data[..], &payload[..]);
            prop_assert_eq!(message.type_id, type_id);
            prop_assert_eq!(message.message_stream_id, stream_id);
        }
    }
}
