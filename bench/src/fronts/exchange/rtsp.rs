//! `DESCRIBE` (RFC 2326 section 10.2), sent at once, without an `OPTIONS` before it.

use super::{behind, split_edge};

/// Before the stream's number in a path.
const STREAM: &[u8] = b"/live/stream-";
/// Digits of the number.
const DIGITS: usize = 4;
/// Streams that clients ask for. One address that asks for the same again and again goes in circles and is stopped
/// (`[limits.repeats]`); all clients here come from one.
const STREAMS: u32 = 10_000;

pub(super) fn request() -> Vec<u8> {
    b"DESCRIBE rtsp://127.0.0.1/live/stream-0000 RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\
      User-Agent: Lavf59.27.100\r\n\r\n"
        .to_vec()
}

/// Makes the request one for another stream.
pub(super) fn set_stream(request: &mut [u8], number: u32) {
    let start = behind(request, STREAM).map(|rest| request.len() - rest.len());
    let place = start.and_then(|start| request.get_mut(start..start + DIGITS));
    let digits = format!("{:0DIGITS$}", number % STREAMS);
    place.into_iter().for_each(|place| place.copy_from_slice(digits.as_bytes()));
}

/// Whether this is a whole 302 to a stream on one of the edges. It may be any stream: the bare loop knows but one.
pub(super) fn names_edge(answer: &[u8]) -> bool {
    let location = behind(answer, b"\r\nLocation: rtsp://").and_then(split_edge);
    let is_stream = |rest: &[u8]| {
        let port = rest.iter().take_while(|byte| **byte == b':' || byte.is_ascii_digit()).count();
        let number = rest[port..].strip_prefix(STREAM).and_then(|rest| rest.split_at_checked(DIGITS));
        number.is_some_and(|(number, rest)| number.iter().all(u8::is_ascii_digit) && rest.starts_with(b"\r\n"))
    };
    answer.starts_with(b"RTSP/1.0 302 ")
        && behind(answer, b"\r\nCSeq: 1\r\n").is_some()
        && location.is_some_and(is_stream)
        && answer.ends_with(b"\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_an_edge_the_stream_or_its_end_is_wrong() {
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
    fn every_stream_makes_a_request_of_the_same_length() {
        let mut other = request();
        set_stream(&mut other, 12_345);
        assert_eq!(other, String::from_utf8(request()).unwrap().replace("0000", "2345").into_bytes());
    }
}
