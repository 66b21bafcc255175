//! The bytes in front of each chunk (RTMP 1.0, section 5.3.1).

use super::EXTENDED_TIMESTAMP;

/// Basic header of 3 bytes, message header of 11, extended timestamp of 4.
pub(super) const LONGEST: usize = 3 + 11 + 4;

/// A chunk's header, as far as it matters here: timestamps mean nothing before a `connect` is answered, so of
/// them only the bytes they take are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// 2 to 65,599.
    pub(super) chunk_stream: u32,
    pub(super) format: Format,
}

/// What a header says itself; the rest is as in the chunk before it on the same chunk stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Type 0: everything.
    Full { message: Start, stream_id: u32 },
    /// Type 1: on the same message stream.
    SameStream { message: Start },
    /// Type 2: a new timestamp only.
    TimestampOnly { extended: bool },
    /// Type 3: nothing; the next part of a message, or a new one that is as long as the last.
    Nothing,
}

/// What a type 0 or 1 header says of the message that it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Whether four bytes of timestamp follow this header and the type 3 headers after it.
    pub(super) extended: bool,
    /// Bytes of payload: 0 to 16,777,215.
    pub(super) length: usize,
    pub(super) type_id: u8,
}

/// A header that arrives in fragments.
#[derive(Debug, Default)]
pub(super) struct Partial {
    bytes: [u8; LONGEST],
    filled: usize,
}

impl Partial {
    /// Whether no byte of a header has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Takes what it needs off the front of `input`; a header once it is complete, and then starts anew.
    ///
    /// `extended` says whether type 3 headers of a chunk stream are followed by an extended timestamp, which
    /// the last other header of that chunk stream decides (section 5.3.1.3).
    pub(super) fn receive(&mut self, input: &mut &[u8], extended: impl Fn(u32) -> bool) -> Option<Header> {
        loop {
            let wanted = needed(&self.bytes[..self.filled], &extended);
            if wanted == self.filled {
                self.filled = 0;
                return Some(parse(&self.bytes));
            }
            let count = (wanted - self.filled).min(input.len());
            if count == 0 {
                return None;
            }
            let (part, rest) = input.split_at(count);
            // `needed` never asks for more than the longest header.
            self.bytes[self.filled..self.filled + count].copy_from_slice(part);
            self.filled += count;
            *input = rest;
        }
    }
}

/// How many bytes a header takes, as far as its first `bytes` tell; as many as are there once it is complete.
fn needed(bytes: &[u8], extended: impl Fn(u32) -> bool) -> usize {
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

/// `bytes` hold a basic header at least.
fn chunk_stream(bytes: &[u8]) -> u32 {
    match bytes[0] & 0x3f {
        0 => 64 + u32::from(bytes[1]),
        1 => 64 + u32::from(u16::from_le_bytes([bytes[1], bytes[2]])),
        id => u32::from(id),
    }
}

/// `bytes` begin with a complete header.
fn parse(bytes: &[u8; LONGEST]) -> Header {
    let message = &bytes[basic_length(bytes[0])..];
    let extended = message[..3] == EXTENDED_TIMESTAMP;
    let start = Start {
        extended,
        length: usize::from(message[3]) << 16 | usize::from(message[4]) << 8 | usize::from(message[5]),
        type_id: message[6],
    };
    let format = match bytes[0] >> 6 {
        0 => Format::Full {
            message: start,
            // The one little-endian number of the protocol (section 5.3.1.2.1).
            stream_id: u32::from_le_bytes([message[7], message[8], message[9], message[10]]),
        },
        1 => Format::SameStream { message: start },
        2 => Format::TimestampOnly { extended },
        _ => Format::Nothing,
    };
    Header { chunk_stream: chunk_stream(bytes), format }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], extended: bool) -> (Option<Header>, usize) {
        let mut input = bytes;
        let header = Partial::default().receive(&mut input, |_| extended);
        (header, bytes.len() - input.len())
    }

    fn header(bytes: &[u8]) -> Header {
        let (header, used) = read(bytes, false);
        assert_eq!(used, bytes.len());
        header.unwrap()
    }

    #[test]
    fn type_0_says_everything() {
        let message = Start { extended: false, length: 0x01_02_03, type_id: 20 };
        let stream_id = 0x0403_0201;
        assert_eq!(
            header(&[3, 0, 0, 9, 1, 2, 3, 20, 1, 2, 3, 4]),
            Header { chunk_stream: 3, format: Format::Full { message, stream_id } }
        );
    }

    #[test]
    fn types_1_to_3_say_less_and_less() {
        let message = Start { extended: false, length: 5, type_id: 4 };
        assert_eq!(header(&[0x42, 0, 0, 0, 0, 0, 5, 4]).format, Format::SameStream { message });
        assert_eq!(header(&[0x82, 0, 0, 0]).format, Format::TimestampOnly { extended: false });
        assert_eq!(header(&[0xc2]).format, Format::Nothing);
    }

    #[test]
    fn chunk_stream_ids_take_one_to_three_bytes() {
        assert_eq!(header(&[0xff]).chunk_stream, 63);
        assert_eq!(header(&[0xc0, 0]).chunk_stream, 64);
        assert_eq!(header(&[0xc0, 255]).chunk_stream, 319);
        assert_eq!(header(&[0xc1, 0, 0]).chunk_stream, 64);
        assert_eq!(header(&[0xc1, 1, 2]).chunk_stream, 64 + 513);
        assert_eq!(header(&[0xc1, 255, 255]).chunk_stream, 65_599);
    }

    #[test]
    fn an_extended_timestamp_belongs_to_the_header() {
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
        let mut partial = Partial::default();
        for (index, byte) in bytes.iter().enumerate() {
            let header = partial.receive(&mut std::slice::from_ref(byte), |_| false);
            assert_eq!(header.is_some(), index + 1 == LONGEST);
        }
        assert_eq!(read(&bytes[..LONGEST - 1], false).0, None);
    }
}
