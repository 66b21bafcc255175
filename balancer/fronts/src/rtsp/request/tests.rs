//! Heads in every form, and invalid ones.

use proptest::prelude::*;

use super::super::head::HeadScanner;
use super::*;

const LIMITS: Limits = Limits { line: 40, head: 100, headers: 4, body: 1000, ..Limits::DEFAULT };

/// The head at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
enum Parsed<'a> {
    /// More bytes are needed.
    Incomplete,
    /// A request, and the length of its head.
    Complete(Request<'a>, usize),
}

fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, RequestError> {
    match HeadScanner::default().advance(bytes, limits)? {
        None => Ok(Parsed::Incomplete),
        Some(end) => Ok(Parsed::Complete(Request::from_head(&bytes[..end], limits)?, end)),
    }
}

fn complete(bytes: &[u8]) -> (Request<'_>, usize) {
    match parse(bytes, &Limits::default()) {
        Ok(Parsed::Complete(request, consumed)) => (request, consumed),
        other => panic!("{other:?}"),
    }
}

fn error(bytes: &[u8]) -> RequestError {
    parse(bytes, &LIMITS).expect_err("an invalid request")
}

#[test]
fn a_request_is_parsed() {
    let bytes = b"ANNOUNCE rtsp://h/x RTSP/1.0\r\nCSeq: 7\r\ncontent-length:3\r\n\r\nv=0OPT";
    let (request, consumed) = complete(bytes);
    assert_eq!(request.method, Method::Announce);
    assert_eq!(request.target, b"rtsp://h/x");
    assert_eq!(request.cseq, 7);
    assert_eq!(request.content_length, 3);
    assert_eq!(&bytes[consumed..], b"v=0OPT");
}

#[test]
fn header_names_are_case_insensitive_and_the_first_header_counts() {
    let (request, _) = complete(b"PLAY * RTSP/1.0\r\nUser-Agent:  A \t\r\nuser-agent: B\r\nCSEQ:1\r\n\r\n");
    assert_eq!(request.header("USER-AGENT"), Some(&b"A"[..]));
    assert_eq!(request.header("Session"), None);
}

#[test]
fn lines_may_end_in_lf_alone() {
    let (request, consumed) = complete(b"PLAY * RTSP/1.0\nCSeq: 3\n\nX");
    assert_eq!((request.cseq, consumed), (3, 25));
}

#[test]
fn header_values_may_contain_bytes_outside_ascii() {
    let (request, _) = complete(b"PLAY * RTSP/1.0\nCSeq: 3\nUser-Agent: \xfc\n\n");
    assert_eq!(request.header("User-Agent"), Some(&b"\xfc"[..]));
}

#[test]
fn a_head_is_incomplete_until_its_last_byte() {
    let bytes = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    for end in 0..bytes.len() {
        let parsed = parse(&bytes[..end], &LIMITS);
        assert_eq!(parsed, Ok(Parsed::Incomplete), "{end}");
    }
    assert_eq!(complete(bytes).1, bytes.len());
}

#[test]
fn a_space_is_part_of_the_target() {
    let (request, _) = complete(b"DESCRIBE rtsp://h/a b RTSP/1.0\nCSeq: 1\n\n");
    assert_eq!(request.target, b"rtsp://h/a b");
}

#[test]
fn a_line_one_byte_longer_than_its_limit_is_rejected() {
    for line_end in ["\n", "\r\n"] {
        let fits = format!("PLAY {} RTSP/1.0{line_end}", "x".repeat(26));
        assert_eq!(parse(fits.as_bytes(), &LIMITS), Ok(Parsed::Incomplete));
        let beyond = format!("PLAY {} RTSP/1.0{line_end}", "x".repeat(27));
        assert_eq!(error(beyond.as_bytes()), RequestError::RequestLineTooLong);
    }
    let endless = b"x".repeat(42);
    assert_eq!(error(&endless), RequestError::RequestLineTooLong);
    assert_eq!(parse(&endless[1..], &LIMITS), Ok(Parsed::Incomplete));
    let header = [b"PLAY * RTSP/1.0\nA:".to_vec(), b"x".repeat(40)].concat();
    assert_eq!(error(&header), RequestError::HeaderLineTooLong);
}

#[test]
fn a_head_longer_than_its_limit_is_rejected() {
    let line = format!("A:{}\n", "x".repeat(26));
    let head = format!("PLAY * RTSP/1.0\n{}", line.repeat(3));
    let fits = format!("{head}CSeq: 9\nB:12\n");
    assert_eq!(fits.len(), 116);
    assert_eq!(error(fits.as_bytes()), RequestError::HeadTooLarge);
    let limits = Limits { head: 112, ..LIMITS };
    let full = format!("{head}CSeq: 9\n\n");
    assert_eq!(full.len(), 112);
    assert!(matches!(parse(full.as_bytes(), &limits), Ok(Parsed::Complete(_, 112))));
}

#[test]
fn too_many_headers_are_rejected() {
    let head = |count: usize| format!("PLAY * RTSP/1.0\nCSeq:1\n{}\n", "A:\n".repeat(count));
    assert!(parse(head(3).as_bytes(), &LIMITS).is_ok());
    assert_eq!(error(head(4).as_bytes()), RequestError::TooManyHeaders);
}

#[test]
fn malformed_request_lines_are_rejected() {
    for line in [
        "PLAY",
        "PLAY RTSP/1.0",
        " * RTSP/1.0",
        "PL(Y * RTSP/1.0",
        "PLAY * HTTP/1.1",
        "PLAY * RTSP/1.0 ",
        "RTSP/1.0 200 OK",
    ] {
        let head = format!("{line}\nCSeq: 1\n\n");
        let expected = RequestError::MalformedRequestLine;
        assert_eq!(error(head.as_bytes()), expected, "{line}");
    }
}

#[test]
fn other_versions_are_rejected() {
    for version in ["RTSP/2.0", "RTSP/1.1", "RTSP/", "RTSP/1.0\r"] {
        let head = format!("PLAY * {version}\r\nCSeq: 1\n\n");
        assert_eq!(error(head.as_bytes()), RequestError::Version);
    }
}

#[test]
fn malformed_headers_are_rejected() {
    for header in ["A", ": x", "A B: x", "A : x", " folded", "A: x\ry", "A: \0"] {
        let head = format!("PLAY * RTSP/1.0\nCSeq: 1\n{header}\n\n");
        let expected = RequestError::MalformedHeader;
        assert_eq!(error(head.as_bytes()), expected, "{header:?}");
    }
}

#[test]
fn a_numeric_cseq_is_required() {
    let head = |cseq: &str| format!("PLAY * RTSP/1.0\n{cseq}\n\n");
    assert_eq!(error(head("A: 1").as_bytes()), RequestError::MissingCSeq);
    for cseq in ["", "x", "-1", "+1", "1 2", "18446744073709551616"] {
        let head = head(&format!("CSeq: {cseq}"));
        assert_eq!(error(head.as_bytes()), RequestError::BadCSeq, "{cseq}");
    }
    let head = head("CSeq: 18446744073709551615");
    assert_eq!(complete(head.as_bytes()).0.cseq, u64::MAX);
}

#[test]
fn a_content_length_must_be_a_single_number_within_the_limit() {
    let head = |length: &str| format!("PLAY * RTSP/1.0\nCSeq:1\nContent-Length:{length}\n\n");
    for length in ["", "x", "-1", "1,1", "1\nContent-Length: 2"] {
        let expected = RequestError::BadContentLength;
        assert_eq!(error(head(length).as_bytes()), expected, "{length}");
    }
    assert!(parse(head("5\nContent-Length: 5").as_bytes(), &LIMITS).is_ok());
    assert!(parse(head("1000").as_bytes(), &LIMITS).is_ok());
    assert_eq!(error(head("1001").as_bytes()), RequestError::BodyTooLarge);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_fragments_do_not_matter(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[a-zA-Z:/ 0-9\r\n.]{0,160}".prop_map(String::into_bytes),
            "PLAY [*/x]{1,30} RTSP/1.0\r\n(CSeq|A|Content-Length): [0-9]{1,44}\r?\n(A: b\n){0,9}\n?"
                .prop_map(String::into_bytes),
        ],
    ) {
        let whole = HeadScanner::default().advance(&bytes, &LIMITS);
        let mut scanner = HeadScanner::default();
        let fragmented = (0..=bytes.len())
            .map(|end| scanner.advance(&bytes[..end], &LIMITS))
            .find(|result| !matches!(result, Ok(None)))
            .unwrap_or(Ok(None));
        prop_assert_eq!(whole, fragmented);
        if let Ok(Some(end)) = whole {
            prop_assert!(end <= LIMITS.head);
            let _ = Request::from_head(&bytes[..end], &LIMITS);
        }
    }
}
