//! `GET /loadbalancer`.

use super::{after, split_edge};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

pub(super) fn request(connection: &str) -> Vec<u8> {
    format!("GET /loadbalancer HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: {connection}\r\n\r\n").into()
}

/// Returns whether the response is complete by its `Content-Length`.
pub(super) fn is_complete(answer: &[u8]) -> bool {
    split(answer).is_some_and(|(length, body)| body.len() >= length)
}

/// Returns whether this is a complete 200 whose body is the redirect to an edge, and nothing else.
pub(super) fn names_edge(answer: &[u8]) -> bool {
    let is_edge = |body: &[u8]| body.strip_prefix(b"redirect=").and_then(split_edge) == Some(b"");
    answer.starts_with(b"HTTP/1.1 200 ")
        && split(answer).is_some_and(|(length, body)| body.len() == length && is_edge(body))
}

/// Returns the `Content-Length`, and the body received so far.
fn split(answer: &[u8]) -> Option<(usize, &[u8])> {
    let body = after(answer, END_OF_HEAD)?;
    let head = std::str::from_utf8(&answer[..answer.len() - body.len()]).ok()?;
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let (_, length) = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    Some((length.parse().ok()?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_response_or_one_with_another_host_is_incorrect() {
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
