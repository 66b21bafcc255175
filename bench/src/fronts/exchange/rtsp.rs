//! `DESCRIBE` (RFC 2326 section 10.2), sent at once, without an `OPTIONS` before it.

use super::{behind, split_edge};

pub(super) fn request() -> Vec<u8> {
    b"DESCRIBE rtsp://127.0.0.1/live/stream RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\
      User-Agent: Lavf59.27.100\r\n\r\n"
        .to_vec()
}

/// Whether this is a whole 302 to the same stream on one of the edges.
pub(super) fn names_edge(answer: &[u8]) -> bool {
    let location = behind(answer, b"\r\nLocation: rtsp://").and_then(split_edge);
    let is_same = |rest: &[u8]| {
        let port = rest.iter().take_while(|byte| **byte == b':' || byte.is_ascii_digit()).count();
        rest[port..].starts_with(b"/live/stream\r\n")
    };
    answer.starts_with(b"RTSP/1.0 302 ")
        && behind(answer, b"\r\nCSeq: 1\r\n").is_some()
        && location.is_some_and(is_same)
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
        let location = "rtsp://edge-0042.eu-west.example.com:554/live/stream";
        assert!(names_edge(&answer("302 Moved Temporarily", location, "\r\n\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", location, "\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", "rtsp://other/live/stream", "\r\n\r\n")));
        assert!(!names_edge(&answer("302 Moved Temporarily", "rtsp://edge-0042.eu-west.example.com/", "\r\n\r\n")));
        assert!(!names_edge(&answer("200 OK", location, "\r\n\r\n")));
    }
}
