//! The head of a request (RFC 2326 sections 4 and 6), found and parsed in place.
//!
//! Two steps, so that a client that sends one byte at a time costs no more than any other:
//! [`HeadScan`] finds the end of the head and reads each byte once; then the whole head is parsed,
//! once. Lines may end in LF alone. Continued header lines are refused: no client sends them, and
//! recipients disagree about what they mean (RFC 9112 section 5.2).

use thiserror::Error;

use super::limits::Limits;
use super::method::Method;

/// A request's head. Borrows the bytes that it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked for.
    pub method: Method,
    /// What it is asked about, still to be parsed.
    pub target: &'a [u8],
    /// The number that the answer must repeat (RFC 2326 section 12.17).
    pub cseq: u64,
    /// Bytes of body that follow the head; 0 without a `Content-Length`.
    pub content_length: usize,
    /// The header lines, each checked.
    header_lines: &'a [u8],
}

/// What a stretch of bytes holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The start of a head: more bytes are needed.
    Incomplete,
    /// A head and the bytes that it takes up. The body follows.
    Complete(Request<'a>, usize),
}

/// Why a head is refused. The connection cannot go on: where the next request starts is not sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The request line is longer than [`Limits::line`].
    #[error("the request line is too long")]
    RequestLineTooLong,
    /// A header line is longer than [`Limits::line`].
    #[error("a header line is too long")]
    HeaderLineTooLong,
    /// The head is larger than [`Limits::head`].
    #[error("the head is too large")]
    HeadTooLarge,
    /// There are more headers than [`Limits::headers`].
    #[error("there are too many headers")]
    TooManyHeaders,
    /// The first line is not a method, a target and an RTSP version.
    #[error("the request line is malformed")]
    MalformedRequestLine,
    /// The version is not `RTSP/1.0`.
    #[error("the RTSP version is not 1.0")]
    Version,
    /// A header line has no colon, no proper name, or a control character in its value.
    #[error("a header is malformed")]
    MalformedHeader,
    /// There is no `CSeq`, which every request must have (RFC 2326 section 12.17).
    #[error("there is no CSeq")]
    MissingCSeq,
    /// `CSeq` is not a number of 64 bits.
    #[error("the CSeq is not a number")]
    BadCSeq,
    /// `Content-Length` is not a number of 64 bits, or there are two that differ.
    #[error("the Content-Length is not a number")]
    BadContentLength,
    /// The body is larger than [`Limits::body`].
    #[error("the body is too large")]
    BodyTooLarge,
}

impl RequestError {
    /// The cause as a metric label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::RequestLineTooLong => "request-line-too-long",
            Self::HeaderLineTooLong => "header-line-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::TooManyHeaders => "too-many-headers",
            Self::MalformedRequestLine => "malformed-request-line",
            Self::Version => "version",
            Self::MalformedHeader => "malformed-header",
            Self::MissingCSeq => "missing-cseq",
            Self::BadCSeq => "bad-cseq",
            Self::BadContentLength => "bad-content-length",
            Self::BodyTooLarge => "body-too-large",
        }
    }
}

/// Parses the request at the start of `bytes`, which must not start with an empty line.
///
/// # Errors
///
/// As [`RequestError`] says.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, RequestError> {
    match HeadScan::default().advance(bytes, limits)? {
        None => Ok(Parsed::Incomplete),
        Some(end) => Ok(Parsed::Complete(Request::from_head(&bytes[..end], limits)?, end)),
    }
}

/// The search for the end of a head, which remembers how far it has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadScan {
    /// Bytes that need not be looked at again.
    read: usize,
    /// Where the line starts that is being read.
    line_start: usize,
    /// Lines that are complete.
    lines: usize,
}

impl HeadScan {
    /// Looks for the end of the head in `bytes`: *all* bytes of the head so far. Returns the bytes
    /// that the head takes up, its empty line included.
    ///
    /// The outcome, errors included, does not depend on the pieces in which the bytes came.
    ///
    /// # Errors
    ///
    /// [`RequestError::RequestLineTooLong`], [`RequestError::HeaderLineTooLong`],
    /// [`RequestError::HeadTooLarge`] and [`RequestError::TooManyHeaders`].
    pub fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, RequestError> {
        let window = &bytes[..bytes.len().min(limits.head)];
        loop {
            // A line that is in bounds ends within its limit, a CR and an LF.
            let line_limit = self.line_start.saturating_add(limits.line).saturating_add(2);
            let line_window = &window[..window.len().min(line_limit)];
            let unread = &line_window[self.read..];
            let Some(offset) = unread.iter().position(|&byte| byte == b'\n') else {
                self.read = line_window.len();
                if self.read == line_limit {
                    return Err(self.line_too_long());
                }
                if self.read == limits.head {
                    return Err(RequestError::HeadTooLarge);
                }
                return Ok(None);
            };
            let line_end = self.read + offset;
            let line = without_cr(&window[self.line_start..line_end]);
            if line.len() > limits.line {
                return Err(self.line_too_long());
            }
            if line.is_empty() {
                return Ok(Some(line_end + 1));
            }
            self.lines += 1;
            if self.lines > limits.headers + 1 {
                return Err(RequestError::TooManyHeaders);
            }
            self.read = line_end + 1;
            self.line_start = self.read;
        }
    }

    /// The bytes whose lines are complete, for an answer to a head that never is.
    pub fn complete_lines(&self) -> usize {
        self.line_start
    }

    fn line_too_long(&self) -> RequestError {
        if self.lines == 0 { RequestError::RequestLineTooLong } else { RequestError::HeaderLineTooLong }
    }
}

impl<'a> Request<'a> {
    /// Parses a whole head, as [`HeadScan`] found it.
    ///
    /// # Errors
    ///
    /// Those of [`RequestError`] that [`HeadScan::advance`] does not return.
    pub fn from_head(head: &'a [u8], limits: &Limits) -> Result<Self, RequestError> {
        let line_end = head.iter().position(|&byte| byte == b'\n').ok_or(RequestError::MalformedRequestLine)?;
        let (method, target) = parse_request_line(without_cr(&head[..line_end]))?;
        let header_lines = &head[line_end + 1..];
        let mut cseq = None;
        let mut content_length = None;
        for line in lines(header_lines) {
            let (name, value) = parse_header(line).ok_or(RequestError::MalformedHeader)?;
            if name.eq_ignore_ascii_case(b"CSeq") && cseq.is_none() {
                cseq = Some(parse_number(value).ok_or(RequestError::BadCSeq)?);
            } else if name.eq_ignore_ascii_case(b"Content-Length") {
                let length = parse_number(value).ok_or(RequestError::BadContentLength)?;
                if content_length.is_some_and(|other| other != length) {
                    return Err(RequestError::BadContentLength);
                }
                content_length = Some(length);
            }
        }
        let content_length = usize::try_from(content_length.unwrap_or(0))
            .ok()
            .filter(|&length| length <= limits.body)
            .ok_or(RequestError::BodyTooLarge)?;
        Ok(Self { method, target, cseq: cseq.ok_or(RequestError::MissingCSeq)?, content_length, header_lines })
    }

    /// The value of the first header of this name, in any case, without the space around it.
    ///
    /// No control character but the tab is in it, but bytes outside ASCII may be.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        lines(self.header_lines)
            .filter_map(parse_header)
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// The `CSeq` of a head that could not be parsed or is not complete, so that the refusal can carry
/// it: GStreamer and Media3 do not take an answer without.
pub(super) fn find_cseq(head: &[u8]) -> Option<u64> {
    lines(head)
        .filter_map(parse_header)
        .find(|(name, _)| name.eq_ignore_ascii_case(b"CSeq"))
        .and_then(|(_, value)| parse_number(value))
}

/// The bytes of body that follow a head, whether of a request or of an answer; 0 where it does not say.
pub(super) fn find_content_length(head: &[u8]) -> usize {
    let length = lines(head)
        .filter_map(parse_header)
        .find(|(name, _)| name.eq_ignore_ascii_case(b"Content-Length"))
        .and_then(|(_, value)| parse_number(value));
    length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
}

/// Takes a request line apart at its first and last space: a space that the client left in the URL
/// is then refused as such.
fn parse_request_line(line: &[u8]) -> Result<(Method, &[u8]), RequestError> {
    let malformed = RequestError::MalformedRequestLine;
    let first = line.iter().position(|&byte| byte == b' ');
    let last = line.iter().rposition(|&byte| byte == b' ');
    let (Some(first), Some(last)) = (first, last) else {
        return Err(malformed);
    };
    let method = &line[..first];
    if first == last || !is_token(method) {
        return Err(malformed);
    }
    match &line[last + 1..] {
        b"RTSP/1.0" => Ok((Method::from_token(method), &line[first + 1..last])),
        version if version.starts_with(b"RTSP/") => Err(RequestError::Version),
        _ => Err(malformed),
    }
}

/// The lines up to the first empty one.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').map(without_cr).take_while(|line| !line.is_empty())
}

/// The name and the value of a header line.
pub(super) fn parse_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_clean = value.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control());
    (is_token(name) && is_clean).then_some((name, value.trim_ascii()))
}

/// The number that `digits`, and nothing else, say.
fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether `bytes` are a token (RFC 2326 section 15.1).
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// `line` without the CR before its LF.
fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { line: 40, head: 100, headers: 4, body: 1000, ..Limits::DEFAULT };

    fn complete(bytes: &[u8]) -> (Request<'_>, usize) {
        match parse(bytes, &Limits::default()) {
            Ok(Parsed::Complete(request, consumed)) => (request, consumed),
            other => panic!("{other:?}"),
        }
    }

    fn error(bytes: &[u8]) -> RequestError {
        parse(bytes, &LIMITS).expect_err("refused")
    }

    #[test]
    fn a_request_comes_apart() {
        let bytes = b"ANNOUNCE rtsp://h/x RTSP/1.0\r\nCSeq: 7\r\ncontent-length:3\r\n\r\nv=0OPT";
        let (request, consumed) = complete(bytes);
        assert_eq!(request.method, Method::Announce);
        assert_eq!(request.target, b"rtsp://h/x");
        assert_eq!(request.cseq, 7);
        assert_eq!(request.content_length, 3);
        assert_eq!(&bytes[consumed..], b"v=0OPT");
    }

    #[test]
    fn headers_are_found_in_any_case_and_the_first_counts() {
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
    fn header_values_may_hold_other_bytes_than_ascii() {
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
    fn a_space_in_the_target_is_part_of_it() {
        let (request, _) = complete(b"DESCRIBE rtsp://h/a b RTSP/1.0\nCSeq: 1\n\n");
        assert_eq!(request.target, b"rtsp://h/a b");
    }

    #[test]
    fn a_line_is_refused_one_byte_beyond_its_limit() {
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
    fn a_head_is_refused_when_its_limit_is_full() {
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
    fn too_many_headers_are_refused() {
        let head = |count: usize| format!("PLAY * RTSP/1.0\nCSeq:1\n{}\n", "A:\n".repeat(count));
        assert!(parse(head(3).as_bytes(), &LIMITS).is_ok());
        assert_eq!(error(head(4).as_bytes()), RequestError::TooManyHeaders);
    }

    #[test]
    fn request_lines_that_are_none_are_refused() {
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
    fn other_versions_are_refused() {
        for version in ["RTSP/2.0", "RTSP/1.1", "RTSP/", "RTSP/1.0\r"] {
            let head = format!("PLAY * {version}\r\nCSeq: 1\n\n");
            assert_eq!(error(head.as_bytes()), RequestError::Version);
        }
    }

    #[test]
    fn headers_that_are_none_are_refused() {
        for header in ["A", ": x", "A B: x", "A : x", " folded", "A: x\ry", "A: \0"] {
            let head = format!("PLAY * RTSP/1.0\nCSeq: 1\n{header}\n\n");
            let expected = RequestError::MalformedHeader;
            assert_eq!(error(head.as_bytes()), expected, "{header:?}");
        }
    }

    #[test]
    fn a_cseq_must_be_there_and_a_number() {
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
    fn a_content_length_must_be_one_number_in_bounds() {
        let head = |length: &str| format!("PLAY * RTSP/1.0\nCSeq:1\nContent-Length:{length}\n\n");
        for length in ["", "x", "-1", "1,1", "1\nContent-Length: 2"] {
            let expected = RequestError::BadContentLength;
            assert_eq!(error(head(length).as_bytes()), expected, "{length}");
        }
        assert!(parse(head("5\nContent-Length: 5").as_bytes(), &LIMITS).is_ok());
        assert!(parse(head("1000").as_bytes(), &LIMITS).is_ok());
        assert_eq!(error(head("1001").as_bytes()), RequestError::BodyTooLarge);
    }

    #[test]
    fn byte_by_byte_each_byte_is_read_once() {
        let limits = Limits::default();
        let head = format!("PLAY * RTSP/1.0\n{}", "A: b\n".repeat(60));
        let mut scan = HeadScan::default();
        for end in 0..=head.len() {
            assert_eq!(scan.advance(&head.as_bytes()[..end], &limits), Ok(None));
            // Reading starts at `read`, so only the new byte is left for the next call.
            assert_eq!(scan.read, end);
        }
    }

    #[test]
    fn a_cseq_is_found_in_a_broken_head() {
        assert_eq!(find_cseq(b"PLAY * RTSP/1.0\r\n\r\ncseq: 5\r\n"), None);
        assert_eq!(find_cseq(b"X\r\nbroken\r\ncseq: 5\r\n"), Some(5));
        assert_eq!(find_cseq(b"PLAY rtsp://h RTSP/9\r\ncseq: 5\r\n"), Some(5));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_pieces_do_not_matter(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[a-zA-Z:/ 0-9\r\n.]{0,160}".prop_map(String::into_bytes),
                "PLAY [*/x]{1,30} RTSP/1.0\r\n(CSeq|A|Content-Length): [0-9]{1,44}\r?\n(A: b\n){0,9}\n?"
                    .prop_map(String::into_bytes),
            ],
        ) {
            let whole = HeadScan::default().advance(&bytes, &LIMITS);
            let mut scan = HeadScan::default();
            let pieces = (0..=bytes.len())
                .map(|end| scan.advance(&bytes[..end], &LIMITS))
                .find(|outcome| !matches!(outcome, Ok(None)))
                .unwrap_or(Ok(None));
            prop_assert_eq!(whole, pieces);
            if let Ok(Some(end)) = whole {
                prop_assert!(end <= LIMITS.head);
                let _ = Request::from_head(&bytes[..end], &LIMITS);
            }
        }
    }
}
