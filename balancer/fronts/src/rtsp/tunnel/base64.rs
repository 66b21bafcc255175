//! Base64 (RFC 4648 section 4) as sent in a tunnel: in fragments, with line breaks, and with padding after each message
//! rather than at the end of the stream.

use thiserror::Error;

/// Decodes a stream, each byte as soon as its last bit has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    /// The bits of an incomplete byte, at most the lowest six.
    bits: u8,
    /// The number of characters in the current group of four, with padding.
    characters: u8,
    /// Whether the group has been padded, after which only padding may follow.
    is_padded: bool,
}

/// A byte that is not valid base64 at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {0:#04x} is not valid base64 here")]
pub struct InvalidByte(pub u8);

impl Decoder {
    /// Decodes `input` and appends the bytes to `output`, at most three for every four characters.
    ///
    /// # Errors
    /// The first byte that is not valid at its position. The bytes before it have been decoded.
    pub fn decode(&mut self, input: &[u8], output: &mut impl Extend<u8>) -> Result<(), InvalidByte> {
        for &character in input {
            match character {
                b'\r' | b'\n' | b' ' | b'\t' => continue,
                // A padded group has one byte or two.
                b'=' if self.characters >= 2 => self.is_padded = true,
                _ => {
                    let value = value(character).filter(|_| !self.is_padded).ok_or(InvalidByte(character))?;
                    let shift = 2 * self.characters;
                    if self.characters > 0 {
                        output.extend([self.bits << shift | value >> (6 - shift)]);
                    }
                    self.bits = value;
                }
            }
            self.characters += 1;
            if self.characters == 4 {
                *self = Self::default();
            }
        }
        Ok(())
    }
}

/// Returns the six bits of a character.
fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded<'a>(fragments: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, InvalidByte> {
        let mut decoder = Decoder::default();
        let mut output = Vec::new();
        for fragment in fragments {
            decoder.decode(fragment, &mut output)?;
        }
        Ok(output)
    }

    /// Written from the definition: four characters for the 24 bits of three bytes.
    fn encode(bytes: &[u8]) -> String {
        let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
        let group = |bytes: &[u8]| {
            let bits =
                bytes.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - bytes.len()));
            let mut characters: Vec<char> = (0..4).map(|index| alphabet[bits >> (18 - 6 * index) & 63]).collect();
            characters[bytes.len() + 1..].fill('=');
            characters
        };
        bytes.chunks(3).flat_map(group).collect()
    }

    #[test]
    fn the_test_vectors_of_the_rfc_are_decoded() {
        for (text, expected) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decoded([text.as_bytes()]), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn padding_and_line_breaks_may_come_between_messages() {
        assert_eq!(decoded([&b"Zg==Zm8=\r\nZm9v Zg=\n="[..]]), Ok(b"ffofoof".into()));
    }

    #[test]
    fn an_invalid_byte_is_rejected() {
        for (text, byte) in [("=", b'='), ("Z=", b'='), ("Zg=Z", b'Z'), ("Zm9v=", b'='), ("Zm-v", b'-'), ("Z\0", 0)] {
            assert_eq!(decoded([text.as_bytes()]), Err(InvalidByte(byte)), "{text}");
        }
    }

    #[test]
    fn the_requests_in_ffmpeg_s_post_are_decoded() {
        let posted = include_bytes!("../fixtures/ffmpeg-5.1.9-tunnel-post.http");
        let body = posted.windows(4).position(|window| window == b"\r\n\r\n").map(|end| &posted[end + 4..]);
        let requests = String::from_utf8(decoded(body).unwrap()).unwrap();
        assert!(
            requests.starts_with("OPTIONS rtsp://127.0.0.1:33535/live/stream?token=abc RTSP/1.0\r\nCSeq: 1\r\n"),
            "{requests}"
        );
        assert!(requests.ends_with("\r\n\r\n"), "{requests}");
    }

    proptest! {
        #[test]
        fn encoded_messages_are_decoded_in_any_fragments(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
            size in 1_usize..9,
        ) {
            let text: String = messages.iter().map(|message| encode(message)).collect();
            prop_assert_eq!(decoded(text.as_bytes().chunks(size)), Ok(messages.concat()));
        }
    }
}
