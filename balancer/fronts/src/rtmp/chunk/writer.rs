//! Writes messages as chunks.

use super::DEFAULT_CHUNK_SIZE;

/// Chunk stream for commands. The protocol leaves the number to the sender; every server uses 3, and some clients
/// look for answers nowhere else.
pub const COMMAND_CHUNK_STREAM: u8 = 3;

/// A basic header of type 3: the next part of the message.
const CONTINUATION: u8 = 3 << 6;

/// Longest message: its length has 24 bits.
const LONGEST_MESSAGE: usize = 0xff_ff_ff;

/// Appends one message to `output`: a chunk with a full header and timestamp 0, then as many continuations as
/// chunks of 128 bytes require, the size that holds until we announce another (RTMP 1.0, section 5.4.1).
///
/// `chunk_stream` is 2 to 63, what fits a basic header of one byte.
///
/// # Panics
///
/// If `payload` is longer than 16,777,215 bytes or `chunk_stream` is out of range: what we write is ours to bound.
pub fn write_message(output: &mut Vec<u8>, chunk_stream: u8, type_id: u8, stream_id: u32, payload: &[u8]) {
    assert!((2..=63).contains(&chunk_stream));
    assert!(payload.len() <= LONGEST_MESSAGE);
    let [.., high, middle, low] = payload.len().to_be_bytes();
    output.extend_from_slice(&[chunk_stream, 0, 0, 0, high, middle, low, type_id]);
    output.extend_from_slice(&stream_id.to_le_bytes());
    write_payload(output, payload, DEFAULT_CHUNK_SIZE, &[CONTINUATION | chunk_stream]);
}

/// Appends the payload of a message whose header is written: in chunks of `chunk_size` bytes, with `continuation` before
/// each but the first.
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
    fn a_chunk_holds_128_bytes() {
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
    fn a_chunk_stream_that_needs_a_longer_header_is_a_bug() {
        write_message(&mut Vec::new(), 64, 20, 0, b"");
    }

    proptest! {
        #[test]
        fn another_implementation_reads_what_we_write(
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
