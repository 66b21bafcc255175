//! The header before each chunk (section 5.3.1).

/// The length of the longest header: basic header of 3 bytes, message header of 11, extended timestamp of 4.
pub(super) const MAX_LENGTH: usize = 3 + 11 + 4;

/// The timestamp that means "the timestamp is in the four bytes after the header".
const EXTENDED_TIMESTAMP: [u8; 3] = [0xff; 3];

/// The header of a chunk. Timestamps have no meaning before a connect is answered, so they are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The chunk stream ID, 2 to 65,599.
    pub(super) chunk_stream: u32,
    pub(super) format: Format,
}

/// The fields that a header contains. The others are those of the previous header on the same chunk stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Type 0: all fields.
    Full { header: MessageHeader, stream_id: u32 },
    /// Type 1: all but the message stream.
    SameStream { header: MessageHeader },
    /// Type 2: a timestamp only.
    TimestampOnly { extended: bool },
    /// Type 3: none. The chunk continues a message, or starts one with the length of the last.
    Empty,
}

/// The fields of type 0 and type 1 headers that describe the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageHeader {
    /// Whether an extended timestamp of four bytes follows this header, and the type 3 headers after it.
    pub(super) extended: bool,
    /// The length of the payload in bytes, 0 to 16,777,215.
    pub(super) length: usize,
    pub(super) type_id: u8,
}

/// A header that arrives in fragments.
#[derive(Debug, Default)]
pub(super) struct PartialHeader {
    bytes: [u8; MAX_LENGTH],
    filled: usize,
}

impl PartialHeader {
    /// Returns whether no byte of a header has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Takes the bytes of a header off the front of `input`. Returns the header once it is complete, and then starts
    /// anew.
    ///
    /// `extended` returns whether an extended timestamp follows the type 3 headers of a chunk stream. The last other
    /// header of the chunk stream decides that (section 5.3.1.3).
    pub(super) fn receive(&mut self, input: &mut &[u8], extended: impl Fn(u32) -> bool) -> Option<Header> {
        loop {
            let length = known_length(&self.bytes[..self.filled], &extended);
            if length == self.filled {
                self.filled = 0;
                return Some(parse(&self.bytes));
            }
            let count = (length - self.filled).min(input.len());
            if count == 0 {
                return None;
            }
            let (part, rest) = input.split_at(count);
            // `known_length` is at most `MAX_LENGTH`.
            self.bytes[self.filled..self.filled + count].copy_from_slice(part);
            self.filled += count;
            *input = rest;
        }
    }
}

/// Returns the length of a header as far as its first `bytes` determine it. It equals theirs once the header is
/// complete.
fn known_length(bytes: &[u8], extended: impl Fn(u32) -> bool) -> usize {
    let Some(&first) = bytes.first() else {
        return 1;
    };
    let basic = basic_length(first);
    if bytes.len() < basic {
        return basic;
    }
    let message = basic + message_length(first);
    if bytes.len() < message {
        return message;
    }
    let extended = match bytes.get(basic..basic + 3) {
        Some(timestamp) if message > basic => timestamp == EXTENDED_TIMESTAMP,
        _ => extended(chunk_stream(bytes)),
    };
    message + if extended { 4 } else { 0 }
}

fn basic_length(first: u8) -> usize {
    match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

fn message_length(first: u8) -> usize {
    match first >> 6 {
        0 => 11,
        1 => 7,
        2 => 3,
        _ => 0,
    }
}

/// Returns the chunk stream ID. `bytes` start with a complete basic header.
fn chunk_stream(bytes: &[u8]) -> u32 {
    match bytes[0] & 0x3f {
        0 => 64 + u32::from(bytes[1]),
        1 => 64 + u32::from(u16::from_le_bytes([bytes[1], bytes[2]])),
        id => u32::from(id),
    }
}

/// Parses a header. `bytes` start with a complete one.
fn parse(bytes: &[u8; MAX_LENGTH]) -> Header {
    let message = &bytes[basic_length(bytes[0])..];
    let extended = message[..3] == EXTENDED_TIMESTAMP;
    let header = MessageHeader {
        extended,
        length: usize::from(message[3]) << 16 | usize::from(message[4]) << 8 | usize::from(message[5]),
        type_id: message[6],
    };
    let format = match bytes[0] >> 6 {
        0 => Format::Full {
            header,
            // The only little-endian number of the protocol (section 5.3.1.2.1).
            stream_id: u32::from_le_bytes([message[7], message[8], message[9], message[10]]),
        },
        1 => Format::SameStream { header },
        2 => Format::TimestampOnly { extended },
        _ => Format::Empty,
    };
    Header { chunk_stream: chunk_stream(bytes), format }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], extended: bool) -> (Option<Header>, usize) {
        let mut input = bytes;
        let header = PartialHeader::default().receive(&mut input, |_| extended);
        (header, bytes.len() - input.len())
    }

    fn parsed(bytes: &[u8]) -> Header {
        let (header, used) = read(bytes, false);
        assert_eq!(used, bytes.len());
        header.unwrap()
    }

    #[test]
    fn a_type_0_header_has_all_fields() {
        let header = MessageHeader { extended: false, length: 0x01_02_03, type_id: 20 };
        let stream_id = 0x0403_0201;
        assert_eq!(
            parsed(&[3, 0, 0, 9, 1, 2, 3, 20, 1, 2, 3, 4]),
            Header { chunk_stream: 3, format: Format::Full { header, stream_id } }
        );
    }

    #[test]
    fn headers_of_types_1_to_3_have_fewer_and_fewer_fields() {
        let header = MessageHeader { extended: false, length: 5, type_id: 4 };
        assert_eq!(parsed(&[0x42, 0, 0, 0, 0, 0, 5, 4]).format, Format::SameStream { header });
        assert_eq!(parsed(&[0x82, 0, 0, 0]).format, Format::TimestampOnly { extended: false });
        assert_eq!(parsed(&[0xc2]).format, Format::Empty);
    }

    #[test]
    fn chunk_stream_ids_take_one_to_three_bytes() {
        assert_eq!(parsed(&[0xff]).chunk_stream, 63);
        assert_eq!(parsed(&[0xc0, 0]).chunk_stream, 64);
        assert_eq!(parsed(&[0xc0, 255]).chunk_stream, 319);
        assert_eq!(parsed(&[0xc1, 0, 0]).chunk_stream, 64);
        assert_eq!(parsed(&[0xc1, 1, 2]).chunk_stream, 64 + 513);
        assert_eq!(parsed(&[0xc1, 255, 255]).chunk_stream, 65_599);
    }

    #[test]
    fn an_extended_timestamp_is_part_of_the_header() {
        let full = [3, 255, 255, 255, 0, 0, 1, 20, 0, 0, 0, 0, 1, 2, 3, 4, b'x', b'y'];
        assert_eq!(read(&full, false).1, 16);
        let timestamp_only = [0x83, 255, 255, 255, 1, 2, 3, 4, b'x'];
        assert_eq!(read(&timestamp_only, false).1, 8);
        assert_eq!(read(&[0xc3, 1, 2, 3, 4, b'x'], true).1, 5);
        assert_eq!(read(&[0xc3, 1, 2, 3, 4, b'x'], false).1, 1);
    }

    #[test]
    fn a_header_may_arrive_byte_by_byte() {
        let bytes = [1, 7, 7, 255, 255, 255, 0, 0, 1, 20, 0, 0, 0, 0, 1, 2, 3, 4u8];
        let mut partial = PartialHeader::default();
        for (index, byte) in bytes.iter().enumerate() {
            let header = partial.receive(&mut std::slice::from_ref(byte), |_| false);
            assert_eq!(header.is_some(), index + 1 == MAX_LENGTH);
        }
        assert_eq!(read(&bytes[..MAX_LENGTH - 1], false).0, None);
    }
}
