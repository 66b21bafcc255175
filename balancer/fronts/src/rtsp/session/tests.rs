//! Sessions with requests, bodies and interleaved frames in any fragments.

use super::*;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

#[test]
fn describe_is_left_to_the_caller() {
    let mut session = Session::new(Limits::default());
    let mut input = &b"DESCRIBE rtsp://u:p@h/live/x?a=b RTSP/1.0\nCSeq: 4\nA: b\n\nmore"[..];
    let mut out = Vec::new();
    let Step::StreamRequested(requested) = session.step(&mut input, DATE, &mut out) else {
        panic!("no DESCRIBE");
    };
    assert_eq!(requested.request.cseq, 4);
    assert_eq!(requested.request.header("a"), Some(&b"b"[..]));
    assert_eq!(requested.target.path_and_query(), Some("/live/x?a=b"));
    assert_eq!(requested.head, b"DESCRIBE rtsp://u:p@h/live/x?a=b RTSP/1.0\nCSeq: 4\nA: b\n\n");
    assert!(out.is_empty());
    assert_eq!(input, b"more");
    session.finish();
    assert_eq!(session.step(&mut input, DATE, &mut out), Step::Finished);
    assert!(input.is_empty() && out.is_empty());
}

#[test]
fn a_describe_in_two_fragments_does_not_borrow_the_first() {
    let mut session = Session::new(Limits::default());
    let mut out = Vec::new();
    {
        let first = b"DESCRIBE rtsp://h/live ".to_vec();
        let step = session.step(&mut &first[..], DATE, &mut out);
        assert_eq!(step, Step::NeedMore);
    }
    let mut rest = &b"RTSP/1.0\r\nCSeq: 1\r\n\r\n"[..];
    let Step::StreamRequested(requested) = session.step(&mut rest, DATE, &mut out) else {
        panic!("no DESCRIBE");
    };
    assert_eq!(requested.target.path_and_query(), Some("/live"));
    assert_eq!(requested.head, b"DESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut session = Session::new(Limits::default());
    let mut input = &b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n\r\n\
        SET_PARAMETER * RTSP/1.0\nCSeq: 2\nContent-Length: 4\n\na: b\
        GET_PARAMETER * RTSP/1.0\nCSeq: 3\n\n\
        DESCRIBE /x RTSP/1.0\nCSeq: 4\n\n"[..];
    let mut out = Vec::new();
    for status in [Status::Ok, Status::ParameterNotUnderstood, Status::Ok] {
        let step = session.step(&mut input, DATE, &mut out);
        assert_eq!(step, Step::Responded(status));
    }
    let step = session.step(&mut input, DATE, &mut out);
    assert!(matches!(step, Step::StreamRequested(_)));
    let answers = String::from_utf8(out).expect("ASCII");
    let cseqs: Vec<_> = answers.lines().filter(|line| line.starts_with("CSeq")).collect();
    assert_eq!(cseqs, ["CSeq: 1", "CSeq: 2", "CSeq: 3"]);
}

#[test]
fn interleaved_frames_are_skipped_up_to_the_limit() {
    let limits = Limits { frames: 2, ..Limits::default() };
    let frame = b"$\n\0\x03\n\n\n";
    let options = b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n";
    let bytes = [&frame[..], frame, options, frame].concat();
    for size in 1..=bytes.len() {
        let mut session = Session::new(limits);
        let mut out = Vec::new();
        let mut seen = Vec::new();
        for mut fragment in bytes.chunks(size) {
            loop {
                match session.step(&mut fragment, DATE, &mut out) {
                    Step::NeedMore | Step::Finished => break,
                    Step::Responded(status) => seen.push(Ok(status)),
                    Step::Rejected(rejection) => seen.push(Err(rejection)),
                    Step::StreamRequested(_) | Step::RedirectFollowed(_) => panic!("no stream was requested"),
                }
            }
        }
        assert_eq!(seen, [Ok(Status::Ok), Err(Rejection::TooManyFrames)], "{size}");
    }
}

#[test]
fn requests_are_answered_up_to_the_limit() {
    let mut session = Session::new(Limits { requests: 3, ..Limits::default() });
    let bytes = b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n".repeat(5);
    let mut input = &bytes[..];
    let mut out = Vec::new();
    for _ in 0..3 {
        let step = session.step(&mut input, DATE, &mut out);
        assert_eq!(step, Step::Responded(Status::Ok));
    }
    let step = session.step(&mut input, DATE, &mut out);
    assert_eq!(step, Step::Rejected(Rejection::TooManyRequests));
}

#[test]
fn an_endless_line_is_rejected_and_not_buffered() {
    for (start, expected) in
        [("DESCRIBE /", RequestError::RequestLineTooLong), ("PLAY * RTSP/1.0\nA: ", RequestError::HeaderLineTooLong)]
    {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(1 << 20, b'x');
        for size in [1, 100, 8191, 1 << 20] {
            let mut session = Session::new(Limits::default());
            let mut out = Vec::new();
            let mut rejections = 0;
            for mut fragment in bytes.chunks(size) {
                match session.step(&mut fragment, DATE, &mut out) {
                    Step::NeedMore => {}
                    Step::Rejected(rejection) => {
                        assert_eq!(rejection, expected.into());
                        rejections += 1;
                    }
                    other => assert_eq!(other, Step::Finished),
                }
                assert!(session.buffer.capacity() <= 2 * Limits::default().head);
            }
            assert_eq!(rejections, 1);
            assert!(out.len() < 300);
        }
    }
}

#[test]
fn a_body_is_skipped_and_not_buffered() {
    let mut session = Session::new(Limits::default());
    let mut out = Vec::new();
    let mut head = &b"PAUSE * RTSP/1.0\nCSeq: 1\nContent-Length: 65536\n\n"[..];
    session.step(&mut head, DATE, &mut out);
    let body = vec![b'x'; 65535];
    assert_eq!(session.step(&mut &body[..], DATE, &mut out), Step::NeedMore);
    assert_eq!(session.buffered(), 0);
    let mut rest = &b"xPLAY * RTSP/1.0\nCSeq: 2\n\n"[..];
    let expected = Step::Responded(Status::MethodNotValidInThisState);
    assert_eq!(session.step(&mut rest, DATE, &mut out), expected);
}

/// Feeds `bytes` to a session whose client was redirected to `rtsp://edge-1:8554/live/x`. Returns whether the client
/// follows the redirect, and the response.
fn after_a_redirect(bytes: &str) -> (bool, String) {
    let mut session = Session::new(Limits::default());
    session.await_redirected(Location::parse("rtsp://edge-1:8554/live/x".to_owned()).expect("a location"));
    let mut out = Vec::new();
    let followed = match session.step(&mut bytes.as_bytes(), DATE, &mut out) {
        Step::RedirectFollowed(requested) => {
            assert_eq!(requested.head, bytes.as_bytes());
            true
        }
        Step::Finished => false,
        other => panic!("{bytes}: {other:?}"),
    };
    (followed, String::from_utf8(out).expect("ASCII"))
}

#[test]
fn only_a_request_for_the_same_edge_follows_the_redirect() {
    for request in ["DESCRIBE rtsp://edge-1:8554/live/x", "SETUP RTSP://EDGE-1:8554", "ANNOUNCE rtsp://edge-1:8554/y"] {
        assert_eq!(after_a_redirect(&format!("{request} RTSP/1.0\nCSeq: 2\n\n")), (true, String::new()), "{request}");
    }
    for request in [
        "DESCRIBE rtsp://edge-1/live/x RTSP/1.0",
        "DESCRIBE rtsps://edge-1:8554/live/x RTSP/1.0",
        "DESCRIBE rtsp://lb:8554/live/x RTSP/1.0",
        "DESCRIBE /live/x RTSP/1.0",
        "OPTIONS rtsp://edge-1:8554/live/x RTSP/1.0",
        "nonsense",
    ] {
        assert_eq!(after_a_redirect(&format!("{request}\nCSeq: 2\n\n")), (false, String::new()), "{request}");
    }
}

#[test]
fn a_redirected_client_gets_no_timeout_response() {
    let mut session = Session::new(Limits::default());
    session.await_redirected(Location::parse("rtsp://edge-1/live/x".to_owned()).expect("a location"));
    let mut out = Vec::new();
    session.time_out(DATE, &mut out);
    assert!(out.is_empty());
}

#[test]
fn a_timeout_response_has_the_cseq_of_the_incomplete_request() {
    for (bytes, cseq) in [
        ("", ""),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 12", ""),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 12\r\n", "CSeq: 12\r\n"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 12\r\n\r\n", ""),
    ] {
        let mut session = Session::new(Limits::default());
        for mut fragment in bytes.as_bytes().chunks(1) {
            session.step(&mut fragment, DATE, &mut Vec::new());
        }
        let mut out = Vec::new();
        session.time_out(DATE, &mut out);
        let answer = String::from_utf8(out).expect("ASCII");
        let start = format!("RTSP/1.0 408 Request Time-out\r\n{cseq}Date: ");
        assert!(answer.starts_with(&start), "{answer}");
        let step = session.step(&mut &b"x"[..], DATE, &mut Vec::new());
        assert_eq!(step, Step::Finished);
    }
}

/// The rejection of `bytes` by a new session, and its response.
fn rejection(bytes: &str) -> (Rejection, String) {
    let mut session = Session::new(Limits::default());
    let mut out = Vec::new();
    match session.step(&mut bytes.as_bytes(), "", &mut out) {
        Step::Rejected(rejection) => (rejection, String::from_utf8(out).expect("ASCII")),
        other => panic!("{bytes}: {other:?}"),
    }
}

#[test]
fn every_rejection_has_its_status_and_the_cseq_if_known() {
    let long = "x".repeat(9000);
    let headers = "A: b\n".repeat(70);
    for (bytes, status, cseq, reason) in [
        (format!("PLAY /{long}"), 414, None, "request-line-too-long"),
        (format!("PLAY * RTSP/1.0\nCSeq: 3\nA: {long}"), 400, Some(3), "header-line-too-long"),
        (format!("PLAY * RTSP/1.0\nCSeq: 3\nA: {0}\nB: {0}\nC: {0}", &long[..8000]), 400, Some(3), "head-too-large"),
        (format!("PLAY * RTSP/1.0\nCSeq: 3\n{headers}"), 400, Some(3), "too-many-headers"),
        ("PLAY\nCSeq: 3\n\n".into(), 400, Some(3), "malformed-request-line"),
        ("PLAY * RTSP/2.0\nCSeq: 3\n\n".into(), 505, Some(3), "version"),
        ("PLAY * RTSP/1.0\nx\nCSeq: 3\n\n".into(), 400, Some(3), "malformed-header"),
        ("PLAY * RTSP/1.0\n\n".into(), 400, None, "missing-cseq"),
        ("PLAY * RTSP/1.0\nCSeq: x\n\n".into(), 400, None, "bad-cseq"),
        ("PLAY * RTSP/1.0\nCSeq: 3\nContent-Length: x\n\n".into(), 400, Some(3), "bad-content-length"),
        ("PLAY * RTSP/1.0\nCSeq: 3\nContent-Length: 65537\n\n".into(), 413, Some(3), "body-too-large"),
        ("OPTIONS /\u{fc} RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-unprintable"),
        ("DESCRIBE x RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-relative"),
        ("DESCRIBE http://h/ RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-scheme"),
        ("DESCRIBE rtsp:/// RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-host"),
        ("DESCRIBE rtsp://h:x/ RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-port"),
        ("DESCRIBE * RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "no-stream"),
    ] {
        let (rejection, response) = rejection(&bytes);
        assert_eq!(rejection.reason(), reason);
        assert!(response.starts_with(&format!("RTSP/1.0 {status} ")), "{response}");
        let expected = cseq.map(|cseq| format!("CSeq: {cseq}"));
        let seen = response.lines().find(|line| line.starts_with("CSeq"));
        assert_eq!(seen, expected.as_deref(), "{reason}");
        assert!(response.ends_with("Connection: close\r\n\r\n"));
    }
}
