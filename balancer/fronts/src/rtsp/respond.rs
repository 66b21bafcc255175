//! Every answer, byte for byte (RFC 2326 section 7).
//!
//! Each function appends one whole answer to `out`. `date` is an IMF-fixdate (RFC 9110 section
//! 5.6.7) that the caller formats, such as `Thu, 23 Jan 1997 15:35:06 GMT`; it must be one line of
//! ASCII. `Content-Length: 0` stands in all: without it a client may wait for the close (RFC 2326
//! section 4.4 says that it must not, but HTTP's rule is another).

use super::location::Location;

/// The methods that `OPTIONS` names: what there is at an edge, and not only what this front answers.
///
/// GStreamer gives up with "Server does not support SETUP" where `SETUP` is missing. `GET_PARAMETER`
/// is not promised in the edges' name: a client that does not find it keeps its session alive with
/// `OPTIONS`, which every server has (RFC 2326 section 10).
const PUBLIC: &str = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, TEARDOWN, PLAY, RECORD";

/// The methods that can succeed here, for the `Allow` header of 405 and 455.
const ALLOW: &str = "OPTIONS, DESCRIBE";

/// Where it stands why a client got what it got. Clients skip headers that they do not know (RFC 2326 section 12).
const REASON: &str = "Weir-Reason";

/// A status that this front answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200
    Ok,
    /// 302
    MovedTemporarily,
    /// 400
    BadRequest,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 413
    RequestEntityTooLarge,
    /// 414
    RequestUriTooLarge,
    /// 451
    ParameterNotUnderstood,
    /// 454
    SessionNotFound,
    /// 455
    MethodNotValidInThisState,
    /// 461
    UnsupportedTransport,
    /// 501
    NotImplemented,
    /// 503
    ServiceUnavailable,
    /// 505
    VersionNotSupported,
}

impl Status {
    /// Code and phrase, as RFC 2326 section 7.1.1 spells them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::MovedTemporarily => "302 Moved Temporarily",
            Self::BadRequest => "400 Bad Request",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Time-out",
            Self::RequestEntityTooLarge => "413 Request Entity Too Large",
            Self::RequestUriTooLarge => "414 Request-URI Too Large",
            Self::ParameterNotUnderstood => "451 Parameter Not Understood",
            Self::SessionNotFound => "454 Session Not Found",
            Self::MethodNotValidInThisState => "455 Method Not Valid in This State",
            Self::UnsupportedTransport => "461 Unsupported Transport",
            Self::NotImplemented => "501 Not Implemented",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 RTSP Version not supported",
        }
    }
}

/// Whether the connection goes on after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// The next request may follow.
    Open,
    /// The caller closes its side next; the answer says so.
    Close,
}

/// Answers `OPTIONS`: 200, and which methods there are.
///
/// Never a redirect: GStreamer follows one here only on an open connection, Media3 not at all.
pub fn options(out: &mut Vec<u8>, cseq: u64, date: &str) {
    start(out, Status::Ok, Some(cseq), date);
    header(out, "Public", PUBLIC);
    end(out, Connection::Open);
}

/// Sends a client to an edge: 302 at `DESCRIBE`. The caller closes its side of the connection next,
/// unless the client may come back on it.
///
/// 302 and no other: 303, 305, 307 and 308 fail in GStreamer and live555.
///
/// `reason` says why it is this edge: a word of our own.
pub fn redirect(out: &mut Vec<u8>, cseq: u64, date: &str, location: &Location, reason: &str, connection: Connection) {
    start(out, Status::MovedTemporarily, Some(cseq), date);
    header(out, "Location", location.as_str());
    header(out, REASON, reason);
    end(out, connection);
}

/// Says that no edge can take the client, and after how many seconds it may ask again. The caller
/// closes its side of the connection next. `reason` is as for [`redirect`].
pub fn no_edge(out: &mut Vec<u8>, cseq: u64, date: &str, retry_after_seconds: u32, reason: &str) {
    start(out, Status::ServiceUnavailable, Some(cseq), date);
    out.extend_from_slice(b"Retry-After: ");
    number(out, retry_after_seconds.into());
    out.extend_from_slice(b"\r\n");
    header(out, REASON, reason);
    end(out, Connection::Close);
}

/// Says that the request did not come in time. `cseq` is that of the request, if it came so far.
/// The caller closes its side of the connection next.
pub fn timed_out(out: &mut Vec<u8>, cseq: Option<u64>, date: &str) {
    status(out, Status::RequestTimeout, cseq, date, Connection::Close);
}

/// Answers with nothing but a status; 405 and 455 name the methods that are allowed, as
/// RFC 2326 sections 11.3.1 and 11.3.6 ask.
pub fn status(out: &mut Vec<u8>, status: Status, cseq: Option<u64>, date: &str, connection: Connection) {
    start(out, status, cseq, date);
    if matches!(status, Status::MethodNotAllowed | Status::MethodNotValidInThisState) {
        header(out, "Allow", ALLOW);
    }
    end(out, connection);
}

/// Appends what every answer starts with.
fn start(out: &mut Vec<u8>, status: Status, cseq: Option<u64>, date: &str) {
    debug_assert!(!date.bytes().any(|byte| byte.is_ascii_control()));
    out.extend_from_slice(b"RTSP/1.0 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b"\r\n");
    if let Some(cseq) = cseq {
        out.extend_from_slice(b"CSeq: ");
        number(out, cseq);
        out.extend_from_slice(b"\r\n");
    }
    header(out, "Date", date);
    header(out, "Server", "Weir");
}

/// Appends what every answer ends with.
fn end(out: &mut Vec<u8>, connection: Connection) {
    header(out, "Content-Length", "0");
    if connection == Connection::Close {
        header(out, "Connection", "close");
    }
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends `number` in decimal, without the allocation that `to_string` makes.
fn number(out: &mut Vec<u8>, mut number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [b'0'; 20];
    let mut first = digits.len() - 1;
    while number > 9 {
        digits[first] += (number % 10) as u8;
        number /= 10;
        first -= 1;
    }
    digits[first] += number as u8;
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

    fn built(build: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        build(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn options_names_the_methods_and_keeps_the_connection() {
        assert_eq!(
            built(|out| options(out, 1, DATE)),
            "RTSP/1.0 200 OK\r\n\
             CSeq: 1\r\n\
             Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
             Server: Weir\r\n\
             Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, TEARDOWN, PLAY, RECORD\r\n\
             Content-Length: 0\r\n\
             \r\n"
        );
    }

    #[test]
    fn a_redirect_names_the_url_and_closes() {
        let url = "rtsp://edge-1:554/live/stream?token=abc";
        let location = Location::parse(url.to_owned()).expect("a location");
        assert_eq!(
            built(|out| redirect(out, 2, DATE, &location, "policy", Connection::Close)),
            "RTSP/1.0 302 Moved Temporarily\r\n\
             CSeq: 2\r\n\
             Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
             Server: Weir\r\n\
             Location: rtsp://edge-1:554/live/stream?token=abc\r\n\
             Weir-Reason: policy\r\n\
             Content-Length: 0\r\n\
             Connection: close\r\n\
             \r\n"
        );
    }

    #[test]
    fn no_edge_says_when_to_ask_again_and_closes() {
        assert_eq!(
            built(|out| no_edge(out, 2, DATE, 5, "refused-full")),
            "RTSP/1.0 503 Service Unavailable\r\n\
             CSeq: 2\r\n\
             Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
             Server: Weir\r\n\
             Retry-After: 5\r\n\
             Weir-Reason: refused-full\r\n\
             Content-Length: 0\r\n\
             Connection: close\r\n\
             \r\n"
        );
    }

    #[test]
    fn a_time_out_without_a_request_has_no_cseq() {
        assert_eq!(
            built(|out| timed_out(out, None, DATE)),
            "RTSP/1.0 408 Request Time-out\r\n\
             Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
             Server: Weir\r\n\
             Content-Length: 0\r\n\
             Connection: close\r\n\
             \r\n"
        );
    }

    #[test]
    fn a_refused_method_comes_with_those_allowed() {
        for (refused, line) in [
            (Status::MethodNotAllowed, "405 Method Not Allowed"),
            (Status::MethodNotValidInThisState, "455 Method Not Valid in This State"),
        ] {
            assert_eq!(
                built(|out| status(out, refused, Some(3), DATE, Connection::Open)),
                format!(
                    "RTSP/1.0 {line}\r\n\
                     CSeq: 3\r\n\
                     Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
                     Server: Weir\r\n\
                     Allow: OPTIONS, DESCRIBE\r\n\
                     Content-Length: 0\r\n\
                     \r\n"
                )
            );
        }
    }

    #[test]
    fn any_other_status_stands_alone() {
        for (other, line) in [
            (Status::BadRequest, "400 Bad Request"),
            (Status::RequestEntityTooLarge, "413 Request Entity Too Large"),
            (Status::RequestUriTooLarge, "414 Request-URI Too Large"),
            (Status::ParameterNotUnderstood, "451 Parameter Not Understood"),
            (Status::SessionNotFound, "454 Session Not Found"),
            (Status::UnsupportedTransport, "461 Unsupported Transport"),
            (Status::NotImplemented, "501 Not Implemented"),
            (Status::VersionNotSupported, "505 RTSP Version not supported"),
        ] {
            assert_eq!(
                built(|out| status(out, other, Some(u64::MAX), DATE, Connection::Close)),
                format!(
                    "RTSP/1.0 {line}\r\n\
                     CSeq: 18446744073709551615\r\n\
                     Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
                     Server: Weir\r\n\
                     Content-Length: 0\r\n\
                     Connection: close\r\n\
                     \r\n"
                )
            );
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        for value in [0, 7, 9, 10, 19, 100, 4_294_967_296, u64::MAX] {
            assert_eq!(built(|out| number(out, value)), value.to_string());
        }
    }
}
