//! What a server answers to a check is read the same from any pieces, once and for all, and not without end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_checks::rtsp_response::{MAX_HEAD, parse};
use weir_checks::search::{MAX_SEARCHED, Search};
use weir_fuzz::script::pieces;

fuzz_target!(|input: &[u8]| {
    let Some((stream, pieces)) = pieces(input) else { return };
    let mut before = Ok(None);
    let mut end = 0;
    for piece in pieces.clone() {
        end += piece.len();
        let answer = parse(&stream[..end]);
        assert!(before == Ok(None) || answer == before, "a decision does not stand");
        before = answer;
    }
    match before {
        Ok(None) => {
            let mut endless = stream.to_vec();
            endless.resize(MAX_HEAD.max(stream.len()), stream.last().copied().unwrap_or(b'x'));
            assert_ne!(parse(&endless), Ok(None), "no end to it");
        }
        Ok(Some(answer)) => {
            assert!(answer.length <= stream.len().min(MAX_HEAD), "longer than the input");
            assert_eq!(parse(&stream[..answer.length]), before, "it depends on what follows");
            assert_eq!(parse(&stream[..answer.length - 1]), Ok(None), "it ended earlier");
            assert!((100..=999).contains(&answer.code), "no code");
        }
        Err(_) => {}
    }
    // The first piece as the text, if it is one.
    let Some(text) = pieces.clone().next().and_then(|piece| str::from_utf8(piece).ok()) else { return };
    let mut search = Search::new(text);
    let mut found = false;
    for piece in pieces.skip(1) {
        found = search.push(piece);
    }
    let answer = &stream[text.len()..];
    let window = &answer[..answer.len().min(MAX_SEARCHED)];
    let expected = !answer.is_empty() && window.windows(text.len()).any(|window| window == text.as_bytes());
    assert_eq!(found, expected, "pieces matter");
});
