//! A server's answer to a health check is parsed to a final result, which does not depend on the fragments, from a
//! bounded number of bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_checks::rtsp_response::{MAX_HEAD, parse};
use weir_checks::search::{MAX_SEARCHED, Search};
use weir_fuzz::script::fragments;

fuzz_target!(|input: &[u8]| {
    let Some((stream, fragments)) = fragments(input) else { return };
    let mut before = Ok(None);
    let mut end = 0;
    for fragment in fragments.clone() {
        end += fragment.len();
        let answer = parse(&stream[..end]);
        assert!(before == Ok(None) || answer == before, "a result is not final");
        before = answer;
    }
    match before {
        Ok(None) => {
            let mut endless = stream.to_vec();
            endless.resize(MAX_HEAD.max(stream.len()), stream.last().copied().unwrap_or(b'x'));
            assert_ne!(parse(&endless), Ok(None), "no result within the limit");
        }
        Ok(Some(answer)) => {
            assert!(answer.length <= stream.len().min(MAX_HEAD), "the head is longer than the input");
            assert_eq!(parse(&stream[..answer.length]), before, "the result depends on later bytes");
            assert_eq!(parse(&stream[..answer.length - 1]), Ok(None), "the head ends earlier");
            assert!((100..=999).contains(&answer.code), "invalid status code");
        }
        Err(_) => {}
    }
    // The first fragment is the text to search for, if it is UTF-8.
    let Some(text) = fragments.clone().next().and_then(|fragment| str::from_utf8(fragment).ok()) else { return };
    let mut search = Search::new(text);
    let mut found = false;
    for fragment in fragments.skip(1) {
        found = search.push(fragment);
    }
    let answer = &stream[text.len()..];
    let window = &answer[..answer.len().min(MAX_SEARCHED)];
    let expected = !answer.is_empty() && window.windows(text.len()).any(|window| window == text.as_bytes());
    assert_eq!(found, expected, "the result depends on the fragments");
});
