//! Writes every response, byte for byte (RFC 2326 section 7).
//!
//! Each function appends one complete response to `out`. `date` is an IMF-fixdate (RFC 9110 section 5.6.7), such as
//! `Thu, 23 Jan 1997 15:35:06 GMT`, on one line of ASCII. Every response has `Content-Length: 0`. Without it, a client
//! may wait for the end of the connection: RFC 2326 section 4.4 says that it must not, but HTTP has the opposite rule.

use super::location::Location;
use super::status::Status;

/// The methods in the response to `OPTIONS`. An edge supports them; this front responds to fewer.
///
/// GStreamer gives up with "Server does not support SETUP" if `SETUP` is missing. `GET_PARAMETER` is not listed,
/// because not every edge supports it. Without it, a client keeps its session alive with `OPTIONS`, which every server
/// supports (RFC 2326 section 10).
const PUBLIC: &str = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, TEARDOWN, PLAY, RECORD";

/// The methods that can succeed here, for the `Allow` header of 405 and 455.
const ALLOW: &str = "OPTIONS, DESCRIBE";

/// The header with the reason for an assignment. Clients skip unknown headers (RFC 2326 section 12).
const REASON: &str = "Weir-Reason";

/// Whether the connection stays open after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// The client may send another request.
    Open,
    /// The response says that the connection is closed. The caller must then shut it down for writing.
    Close,
}

/// Responds to `OPTIONS`: 200, with the supported methods.
///
/// Never a redirect: GStreamer follows one here only on an open connection, Media3 not at all.
pub fn options(out: &mut Vec<u8>, cseq: u64, date: &str) {
    start(out, Status::Ok, Some(cseq), date);
    header(out, "Public", PUBLIC);
    end(out, Connection::Open);
}

/// Redirects a client to an edge: 302, the response to `DESCRIBE`.
///
/// No other status will do: 303, 305, 307 and 308 fail in GStreamer and live555.
///
/// `reason` is the reason for the assignment, such as `policy`.
pub fn redirect(out: &mut Vec<u8>, cseq: u64, date: &str, location: &Location, reason: &str, connection: Connection) {
    start(out, Status::MovedTemporarily, Some(cseq), date);
    header(out, "Location", location.as_str());
    header(out, REASON, reason);
    end(out, connection);
}

/// Responds that no edge is available: 503, with the number of seconds after which the client may try again. The caller
/// must then shut down the connection for writing. `reason` is the reason for the refusal, such as `refused-full`.
pub fn no_edge(out: &mut Vec<u8>, cseq: u64, date: &str, retry_after_seconds: u32, reason: &str) {
    start(out, Status::ServiceUnavailable, Some(cseq), date);
    out.extend_from_slice(b"Retry-After: ");
    number(out, retry_after_seconds.into());
    out.extend_from_slice(b"\r\n");
    header(out, REASON, reason);
    end(out, Connection::Close);
}

/// Responds that the request was not complete in time: 408. `cseq` is that of the request, if it has arrived. The
/// caller must then shut down the connection for writing.
pub fn timed_out(out: &mut Vec<u8>, cseq: Option<u64>, date: &str) {
    status(out, Status::RequestTimeout, cseq, date, Connection::Close);
}

/// Responds with a status alone. 405 and 455 list the allowed methods, as RFC 2326 sections 11.3.1 and 11.3.6 require.
pub fn status(out: &mut Vec<u8>, status: Status, cseq: Option<u64>, date: &str, connection: Connection) {
    start(out, status, cseq, date);
    if matches!(status, Status::MethodNotAllowed | Status::MethodNotValidInThisState) {
        header(out, "Allow", ALLOW);
    }
    end(out, connection);
}

/// Appends the start of a response.
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

/// Appends the end of a response.
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
    fn the_response_to_options_lists_the_methods_and_keeps_the_connection_open() {
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
    fn a_redirect_has_the_location_and_closes_the_connection() {
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
    fn without_an_edge_the_response_has_a_retry_after_and_closes_the_connection() {
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
    fn a_timeout_without_a_request_has_no_cseq() {
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
    fn the_response_to_a_rejected_method_lists_the_allowed_ones() {
        for (rejected, line) in [
            (Status::MethodNotAllowed, "405 Method Not Allowed"),
            (Status::MethodNotValidInThisState, "455 Method Not Valid in This State"),
        ] {
            assert_eq!(
                built(|out| status(out, rejected, Some(3), DATE, Connection::Open)),
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
    fn any_other_status_has_no_further_headers() {
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
    fn numbers_are_written_in_decimal() {
        for value in [0, 7, 9, 10, 19, 100, 4_294_967_296, u64::MAX] {
            assert_eq!(built(|out| number(out, value)), value.to_string());
        }
    }
}
