//! `DESCRIBE` (RFC 2326 section 10.2), without an `OPTIONS` before it.

use super::{after, split_edge};

/// The path before the number of the stream.
const STREAM: &[u8] = b"/live/stream-";
/// Digits of the number.
const DIGITS: usize = 4;
/// The number of streams. All clients have the same address, and repeated requests of one address for the same stream
/// are refused as a redirect loop (`[limits.repeats]`).
const STREAMS: u32 = 10_000;

pub(super) fn request() -> Vec<u8> {
    b"DESCRIBE rtsp://127.0.0.1/live/stream-0000 RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\
      User-Agent: Lavf59.27.100\r\n\r\n"
        .to_vec()
}

/// Changes the stream in the request.
pub(super) fn set_stream(request: &mut [u8], number: u32) {
    let start = after(request, STREAM).map(|rest| request.len() - rest.len());
    let digits_in_request = start.and_then(|start| request.get_mut(start..start + DIGITS));
    let digits = format!("{:0DIGITS$}", number % STREAMS);
    if let Some(target) = digits_in_request {
        target.copy_from_slice(digits.as_bytes());
    }
}

/// Returns whether this is a complete 302 to a stream on an edge. The stream is not compared: the bare loop has only
/// one.
pub(super) fn names_edge(answer: &[u8]) -> bool {
    let location = after(answer, b"\r\nLocation: rtsp://").and_then(split_edge);
    let is_stream = |rest: &[u8]| {
        let port = rest.iter().take_while(|byte| **byte == b':' || byte.is_ascii_digit()).count();
        let number = rest[port..].strip_prefix(STREAM).and_then(|rest| rest.split_at_checked(DIGITS));
        number.is_some_and(|(number, rest)| number.iter().all(u8::is_ascii_digit) && rest.starts_with(b"\r\n"))
    };
    answer.starts_with(b"RTSP/1.0 302 ")
        && after(answer, b"\r\nCSeq: 1\r\n").is_some()
        && location.is_some_and(is_stream)
        && answer.ends_with(b"\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_without_an_edge_a_stream_or_an_end_is_incorrect() {
        let answer = |status: &str, location: &str, end: &str| {
            format!("RTSP/1.0 {status}\r\nCSeq: 1\r\nLocation: {location}{end}").into_bytes()
        };
        let location = "rtsp://edge-0042.eu-west.example.com:554/live/stream-0042";
        assert!(names_edge(&answer("302 Moved Temporarily", location, "\r\n\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", location, "\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", "rtsp://other/live/stream-0042", "\r\n\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", "rtsp://edge-0042.eu-west.example.com/", "\r\n\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", &location[..location.len() - 1], "\r\n\r\n")));
        assert!(!names_edge(&answer("200 OK", location, "\r\n\r\n")));
    }

    #[test]
    fn the_requests_for_all_streams_have_the_same_length() {
        let mut other = request();
        set_stream(&mut other, 12_345);
        assert_eq!(other, String::from_utf8(request()).unwrap().replace("0000", "2345").into_bytes());
    }
}
