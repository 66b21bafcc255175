//! `GET /loadbalancer`.

use super::{behind, split_edge};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

pub(super) fn request(connection: &str) -> Vec<u8> {
    format!("GET /loadbalancer HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: {connection}\r\n\r\n").into()
}

/// Whether this is the whole answer: its length is what the head says.
pub(super) fn is_complete(answer: &[u8]) -> bool {
    split(answer).is_some_and(|(length, body)| body.len() >= length)
}

/// Whether this is 200, whole, and names one of the edges, and nothing besides.
pub(super) fn names_edge(answer: &[u8]) -> bool {
    let is_edge = |body: &[u8]| body.strip_prefix(b"redirect=").and_then(split_edge) == Some(b"");
    answer.starts_with(b"HTTP/1.1 200 ")
        && split(answer).is_some_and(|(length, body)| body.len() == length && is_edge(body))
}

/// The length that the head says, and the body as far as it is there.
fn split(answer: &[u8]) -> Option<(usize, &[u8])> {
    let body = behind(answer, END_OF_HEAD)?;
    let head = std::str::from_utf8(&answer[..answer.len() - body.len()]).ok()?;
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let (_, length) = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    Some((length.parse().ok()?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_names_another_host_or_is_not_whole_is_wrong() {
        let answer = |status: &str, length: usize, body: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-Length: {length}\r\n\r\n{body}").into_bytes()
        };
        let body = "redirect=edge-0042.eu-west.example.com";
        assert!(names_edge(&answer("200 OK", body.len(), body)));
        assert!(!names_edge(&answer("200 OK", body.len() + 1, body)));
        assert!(!names_edge(&answer("503 Busy", body.len(), body)));
        assert!(!names_edge(&answer("200 OK", 16, "redirect=unknown")));
        assert!(!is_complete(&answer("200 OK", body.len() + 1, body)));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"));
    }
}
