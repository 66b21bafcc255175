//! What comes in a tunnel is decoded alike from any pieces, and what was encoded comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtsp::tunnel::{Decoder, base64::Invalid};
use weir_fuzz::script::pieces;

fuzz_target!(|input: &[u8]| {
    let Some((stream, pieces)) = pieces(input) else { return };
    let whole = decode(std::iter::once(stream));
    assert_eq!(whole, decode(pieces.clone()));
    let (decoded, _) = &whole;
    assert!(decoded.len() <= stream.len().div_ceil(4) * 3);
    // The pieces as messages, each padded for itself.
    let text: Vec<u8> = pieces.flat_map(encode).collect();
    assert_eq!(decode(std::iter::once(&text[..])), (stream.to_vec(), Ok(())));
});

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Result<(), Invalid>) {
    let mut decoder = Decoder::default();
    let mut output = Vec::new();
    for piece in pieces {
        if let Err(invalid) = decoder.decode(piece, &mut output) {
            return (output, Err(invalid));
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
        for place in 0..4 {
            let character = ALPHABET[bits >> (18 - 6 * place) & 63];
            text.push(if place > group.len() { b'=' } else { character });
        }
    }
    text
}
