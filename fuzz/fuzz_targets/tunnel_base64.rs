//! Decoding the POST channel of an RTSP tunnel does not depend on the fragments, and restores bytes that were encoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtsp::tunnel::{Decoder, base64::InvalidByte};
use weir_fuzz::script::fragments;

fuzz_target!(|input: &[u8]| {
    let Some((stream, fragments)) = fragments(input) else { return };
    let whole = decode(std::iter::once(stream));
    assert_eq!(whole, decode(fragments.clone()));
    let (decoded, _) = &whole;
    assert!(decoded.len() <= stream.len().div_ceil(4) * 3);
    // The fragments as messages, each with its own padding.
    let text: Vec<u8> = fragments.flat_map(encode).collect();
    assert_eq!(decode(std::iter::once(&text[..])), (stream.to_vec(), Ok(())));
});

fn decode<'a>(fragments: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Result<(), InvalidByte>) {
    let mut decoder = Decoder::default();
    let mut output = Vec::new();
    for fragment in fragments {
        if let Err(error) = decoder.decode(fragment, &mut output) {
            return (output, Err(error));
        }
    }
    (output, Ok(()))
}

/// Written from RFC 4648 section 4.
fn encode(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            let character = ALPHABET[bits >> (18 - 6 * index) & 63];
            text.push(if index > group.len() { b'=' } else { character });
        }
    }
    text
}
