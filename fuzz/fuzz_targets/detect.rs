//! The protocol that a connection speaks is told the same from any pieces, once and for all, and early enough.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::detect::{Detection, Detector, LEADING_NEWLINES_LIMIT, LINE_LIMIT};
use weir_fronts::{rtmp, rtsp};
use weir_fuzz::script::pieces;

/// Bytes from which on the protocol is known, whatever they are.
const ENOUGH: usize = LEADING_NEWLINES_LIMIT + LINE_LIMIT + b"RTSP/".len();

fuzz_target!(|input: &[u8]| {
    let Some((stream, pieces)) = pieces(input) else { return };
    let mut detector = Detector::default();
    let mut before = Detection::NeedMore;
    let mut end = 0;
    for piece in pieces {
        end += piece.len();
        let detection = detector.advance(&stream[..end]);
        assert_eq!(detection, Detector::default().advance(&stream[..end]), "pieces matter");
        assert!(before == Detection::NeedMore || detection == before, "a decision does not stand");
        before = detection;
    }
    match before {
        Detection::NeedMore => {
            let mut endless = stream.to_vec();
            endless.resize(ENOUGH.max(stream.len()), stream.last().copied().unwrap_or(b'x'));
            assert_ne!(Detector::default().advance(&endless), Detection::NeedMore, "no end to it");
        }
        // The front that is chosen must be able to say what is wrong with the rest.
        Detection::Rtmp => {
            let outcome = rtmp::Session::new(rtmp::Limits::default()).receive(&mut &stream[..], &mut Vec::new());
            assert!(!matches!(outcome, Err(rtmp::session::Error::Handshake(_))));
        }
        Detection::Rtsp => {
            let mut session = rtsp::Session::new(rtsp::Limits::default());
            let mut answer = Vec::new();
            let step = session.step(&mut &stream[..], "Thu, 23 Jan 1997 15:35:06 GMT", &mut answer);
            assert!(!matches!(step, rtsp::Step::Finished));
        }
        Detection::Http | Detection::Tls | Detection::Unknown => {}
    }
});
