//! Finds the end of a request's head, and rejects a head that is too long or too slow.

/// Why a head is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// The request line exceeds the limit.
    LineTooLong,
    /// The head exceeds the limit.
    HeadTooLong,
    /// The head was not complete in time.
    TooSlow,
}

impl HeadError {
    /// The `reason` label in the metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::LineTooLong => "line-too-long",
            Self::HeadTooLong => "head-too-long",
            Self::TooSlow => "timeout",
        }
    }

    /// The bytes of the response. The codes are those of RFC 9110 sections 15.5.9 and 15.5.15, and RFC 6585 section 5.
    pub(super) fn response(self, limit: usize) -> String {
        let (status, body) = match self {
            Self::LineTooLong => ("414 URI Too Long", format!("The request line is longer than {limit} bytes.\n")),
            Self::HeadTooLong => {
                ("431 Request Header Fields Too Large", format!("The request headers are longer than {limit} bytes.\n"))
            }
            Self::TooSlow => ("408 Request Timeout", "The request did not arrive in time.\n".to_owned()),
        };
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    }
}

/// Whether `bytes` contain a complete head of at most `limit` bytes. Bytes before `seen` were passed to an earlier
/// call.
///
/// # Errors
/// [`HeadError`] when there are more bytes than `limit` but no end of the head.
pub(super) fn is_complete(bytes: &[u8], seen: usize, limit: usize) -> Result<bool, HeadError> {
    // At most three bytes of the end were seen before.
    let from = seen.saturating_sub(3);
    let end = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(index, _)| {
        // A line ends with CR LF, or with LF alone from lenient senders (RFC 9112 section 2.2); an empty line ends the
        // head.
        let before = &bytes[..from + index];
        (before.ends_with(b"\n") || before.ends_with(b"\n\r")).then_some(from + index + 1)
    });
    match end {
        Some(end) if end <= limit => Ok(true),
        None if bytes.len() <= limit => Ok(false),
        _ if bytes[..limit.min(bytes.len())].contains(&b'\n') => Err(HeadError::HeadTooLong),
        _ => Err(HeadError::LineTooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_in_any_segmentation() {
        for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n"] {
            for cut in 0..head.len() {
                assert_eq!(is_complete(&head.as_bytes()[..cut], 0, 100), Ok(false), "{cut}");
                assert_eq!(is_complete(head.as_bytes(), cut, 100), Ok(true), "{cut}");
            }
        }
    }

    #[test]
    fn bytes_after_the_head_do_not_count_towards_its_limit() {
        let request = [b"PUT / HTTP/1.1\r\n\r\n".as_slice(), &[b'x'; 100]].concat();
        assert_eq!(is_complete(&request, 0, 18), Ok(true));
        assert_eq!(is_complete(&request, 0, 17), Err(HeadError::HeadTooLong));
    }

    #[test]
    fn a_head_without_end_is_rejected_at_the_limit() {
        assert_eq!(is_complete(&[b'x'; 100], 0, 100), Ok(false));
        assert_eq!(is_complete(&[b'x'; 101], 100, 100), Err(HeadError::LineTooLong));
        let headers = [b"GET / HTTP/1.1\r\n".as_slice(), &[b'x'; 100]].concat();
        assert_eq!(is_complete(&headers, 0, 100), Err(HeadError::HeadTooLong));
    }

    #[test]
    fn every_error_has_a_complete_response() {
        for error in [HeadError::LineTooLong, HeadError::HeadTooLong, HeadError::TooSlow] {
            let response = error.response(16384);
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        }
    }
}
