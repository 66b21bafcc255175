//! Where the head of a request ends, and what to say when it does not.

/// Why a head was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request line alone is longer than allowed.
    LineTooLong,
    /// The headers are longer than allowed.
    HeadTooLong,
    /// It did not end in time.
    TooSlow,
}

impl Refusal {
    /// A stable name for metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::LineTooLong => "line-too-long",
            Self::HeadTooLong => "head-too-long",
            Self::TooSlow => "timeout",
        }
    }

    /// The whole answer. The codes are those of RFC 9110 sections 15.5.9 and 15.5.15, and RFC 6585 section 5.
    pub(super) fn response(self, limit: usize) -> String {
        let (status, body) = match self {
            Self::LineTooLong => ("414 URI Too Long", format!("The request line is longer than {limit} bytes.\n")),
            Self::HeadTooLong => (
                "431 Request Header Fields Too Large",
                format!("The request's headers are longer than {limit} bytes.\n"),
            ),
            Self::TooSlow => ("408 Request Timeout", "The request did not arrive in time.\n".to_owned()),
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    }
}

/// Whether `bytes` hold a whole head, within `limit` bytes. Only the bytes from `seen` on are new since the last call.
///
/// # Errors
/// [`Refusal`] when there are more bytes than `limit` and still no end.
pub(super) fn is_complete(bytes: &[u8], seen: usize, limit: usize) -> Result<bool, Refusal> {
    // An end that began in what was seen before has at most three bytes there.
    let from = seen.saturating_sub(3);
    let end = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(index, _)| {
        // A line ends with CR LF, or LF alone from sloppy senders (RFC 9112 section 2.2); an empty one ends the head.
        let before = &bytes[..from + index];
        (before.ends_with(b"\n") || before.ends_with(b"\n\r")).then_some(from + index + 1)
    });
    match end {
        Some(end) if end <= limit => Ok(true),
        None if bytes.len() <= limit => Ok(false),
        _ if bytes[..limit.min(bytes.len())].contains(&b'\n') => Err(Refusal::HeadTooLong),
        _ => Err(Refusal::LineTooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_however_it_arrives() {
        for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n"] {
            for cut in 0..head.len() {
                assert_eq!(is_complete(&head.as_bytes()[..cut], 0, 100), Ok(false), "{cut}");
                assert_eq!(is_complete(head.as_bytes(), cut, 100), Ok(true), "{cut}");
            }
        }
    }

    #[test]
    fn what_follows_the_head_does_not_count_against_its_limit() {
        let request = [b"PUT / HTTP/1.1\r\n\r\n".as_slice(), &[b'x'; 100]].concat();
        assert_eq!(is_complete(&request, 0, 18), Ok(true));
        assert_eq!(is_complete(&request, 0, 17), Err(Refusal::HeadTooLong));
    }

    #[test]
    fn a_head_without_end_is_given_up_at_the_limit() {
        assert_eq!(is_complete(&[b'x'; 100], 0, 100), Ok(false));
        assert_eq!(is_complete(&[b'x'; 101], 100, 100), Err(Refusal::LineTooLong));
        let headers = [b"GET / HTTP/1.1\r\n".as_slice(), &[b'x'; 100]].concat();
        assert_eq!(is_complete(&headers, 0, 100), Err(Refusal::HeadTooLong));
    }

    #[test]
    fn every_refusal_is_a_whole_response() {
        for refusal in [Refusal::LineTooLong, Refusal::HeadTooLong, Refusal::TooSlow] {
            let response = refusal.response(16384);
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        }
    }
}
