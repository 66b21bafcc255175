//! The protocol of a connection is detected with a final result, which does not depend on the fragments, from a bounded
//! number of bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fleet::Protocol;
use weir_fronts::detect::{Detection, Detector, LEADING_NEWLINES_LIMIT, LINE_LIMIT};
use weir_fronts::{rtmp, rtsp};
use weir_fuzz::script::fragments;

/// The number of bytes after which there must be a result.
const MAX_LENGTH: usize = LEADING_NEWLINES_LIMIT + LINE_LIMIT + b"RTSP/".len();

fuzz_target!(|input: &[u8]| {
    let Some((stream, fragments)) = fragments(input) else { return };
    let mut detector = Detector::default();
    let mut before = Detection::NeedMore;
    let mut end = 0;
    for fragment in fragments {
        end += fragment.len();
        let detection = detector.advance(&stream[..end]);
        assert_eq!(detection, Detector::default().advance(&stream[..end]), "the result depends on the fragments");
        assert!(before == Detection::NeedMore || detection == before, "a result is not final");
        before = detection;
    }
    match before {
        Detection::NeedMore => {
            let mut endless = stream.to_vec();
            endless.resize(MAX_LENGTH.max(stream.len()), stream.last().copied().unwrap_or(b'x'));
            assert_ne!(Detector::default().advance(&endless), Detection::NeedMore, "no result within the limit");
        }
        // The front for the protocol must be able to answer the client, even if the rest is invalid.
        Detection::Protocol(Protocol::Rtmp) => {
            let outcome = rtmp::Session::new(rtmp::Limits::default()).receive(&mut &stream[..], &mut Vec::new());
            assert!(!matches!(outcome, Err(rtmp::session::Error::Handshake(_))));
        }
        Detection::Protocol(Protocol::Rtsp) => {
            let mut session = rtsp::Session::new(rtsp::Limits::default());
            let mut answer = Vec::new();
            let step = session.step(&mut &stream[..], "Thu, 23 Jan 1997 15:35:06 GMT", &mut answer);
            assert!(!matches!(step, rtsp::Step::Finished));
        }
        Detection::Protocol(_) | Detection::Tls | Detection::Unknown => {}
    }
});
