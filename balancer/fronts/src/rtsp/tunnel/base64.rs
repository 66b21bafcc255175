//! Base64 (RFC 4648 section 4) as it comes in a tunnel: in pieces, with line breaks, and with the padding of each message
//! in the midst of the stream.

use thiserror::Error;

/// Decodes a stream, each byte as soon as its last bit has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    /// Bits that make no byte yet: the lowest six of them at most.
    bits: u8,
    /// Characters of the group of four that is being read, padding included.
    characters: u8,
    /// The group has been padded: only padding can end it.
    is_padded: bool,
}

/// The stream is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {0:#04x} cannot stand here in base64")]
pub struct Invalid(pub u8);

impl Decoder {
    /// Takes in `input`, and appends what it says: at most three bytes for four.
    ///
    /// # Errors
    /// At the first character that has no place where it stands. What came before it was appended.
    pub fn decode(&mut self, input: &[u8], output: &mut impl Extend<u8>) -> Result<(), Invalid> {
        for &character in input {
            match character {
                b'\r' | b'\n' | b' ' | b'\t' => continue,
                // A group that is padded says one byte or two.
                b'=' if self.characters >= 2 => self.is_padded = true,
                _ => {
                    let value = value(character).filter(|_| !self.is_padded).ok_or(Invalid(character))?;
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

/// The six bits that a character stands for.
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

    fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Invalid> {
        let mut decoder = Decoder::default();
        let mut output = Vec::new();
        for piece in pieces {
            decoder.decode(piece, &mut output)?;
        }
        Ok(output)
    }

    /// Written from the definition: 24 bits for three bytes, four characters for those.
    fn encode(bytes: &[u8]) -> String {
        let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
        let group = |bytes: &[u8]| {
            let bits =
                bytes.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - bytes.len()));
            let mut characters: Vec<char> = (0..4).map(|place| alphabet[bits >> (18 - 6 * place) & 63]).collect();
            characters[bytes.len() + 1..].fill('=');
            characters
        };
        bytes.chunks(3).flat_map(group).collect()
    }

    #[test]
    fn the_examples_of_the_rfc_are_decoded() {
        for (text, expected) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decoded([text.as_bytes()]), Ok(expected.into()), "{text}");
        }
    }

    #[test]
    fn messages_follow_each_other_with_padding_and_line_breaks() {
        assert_eq!(decoded([&b"Zg==Zm8=\r\nZm9v Zg=\n="[..]]), Ok(b"ffofoof".into()));
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for (text, byte) in [("=", b'='), ("Z=", b'='), ("Zg=Z", b'Z'), ("Zm9v=", b'='), ("Zm-v", b'-'), ("Z\0", 0)] {
            assert_eq!(decoded([text.as_bytes()]), Err(Invalid(byte)), "{text}");
        }
    }

    #[test]
    fn what_ffmpeg_posts_is_what_it_says_elsewhere() {
        let posted = include_bytes!("../fixtures/ffmpeg-5.1.9-tunnel-post.http");
        let body = posted.windows(4).position(|window| window == b"\r\n\r\n").map(|end| &posted[end + 4..]);
        let said = String::from_utf8(decoded(body).unwrap()).unwrap();
        assert!(
            said.starts_with("OPTIONS rtsp://127.0.0.1:33535/live/stream?token=abc RTSP/1.0\r\nCSeq: 1\r\n"),
            "{said}"
        );
        assert!(said.ends_with("\r\n\r\n"), "{said}");
    }

    proptest! {
        #[test]
        fn messages_come_back_whole_in_any_pieces(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
            size in 1_usize..9,
        ) {
            let text: String = messages.iter().map(|message| encode(message)).collect();
            prop_assert_eq!(decoded(text.as_bytes().chunks(size)), Ok(messages.concat()));
        }
    }
}
