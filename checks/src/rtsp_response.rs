//! Parses the head of RTSP responses (RFC 2326 section 7; RTSP 2.0, RFC 7826 section 8, has the same format).

/// Maximum length of a head, in bytes. Typical heads have a few hundred.
pub const MAX_HEAD: usize = 8192;

/// Head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code, 100 to 999.
    pub code: u16,
    /// `CSeq`, the sequence number of the request. Some servers omit it in error responses.
    pub sequence: Option<u32>,
    /// Length of the body, in bytes; 0 without a `Content-Length` (RFC 2326 section 4.4).
    pub body: usize,
    /// Length of the head including its empty line, in bytes.
    pub length: usize,
}

/// The bytes are not an RTSP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RTSP response")]
pub struct Malformed;

/// Parses the head that `bytes` begin with; `None` when it is incomplete.
///
/// Lines may end in LF alone. Headers that are not needed are not validated.
///
/// # Errors
/// [`Malformed`], as soon as no further bytes can make it a response, and when the head is longer than [`MAX_HEAD`].
pub fn parse(bytes: &[u8]) -> Result<Option<ResponseHead>, Malformed> {
    const BEGINNING: &[u8] = b"RTSP/";
    let common = bytes.len().min(BEGINNING.len());
    if bytes[..common] != BEGINNING[..common] {
        return Err(Malformed);
    }
    let window = &bytes[..bytes.len().min(MAX_HEAD)];
    let Some(length) = head_length(window) else {
        return if bytes.len() < MAX_HEAD { Ok(None) } else { Err(Malformed) };
    };
    let head = str::from_utf8(&window[..length]).map_err(|_| Malformed)?;
    let mut lines = head.lines();
    let code = lines.next().and_then(code).ok_or(Malformed)?;
    let mut response = ResponseHead { code, sequence: None, body: 0, length };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("CSeq") {
            response.sequence = Some(number(value)?);
        } else if name.eq_ignore_ascii_case("Content-Length") {
            response.body = number(value)?;
        }
    }
    Ok(Some(response))
}

/// Length up to the end of the first empty line.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let line_ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    line_ends.into_iter().find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Status code of a line such as `RTSP/1.0 200 OK`. The reason phrase may be missing.
fn code(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("RTSP/")?;
    let (version, rest) = rest.split_once(' ')?;
    let is_version =
        matches!(version.as_bytes(), [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
    let code = rest.split(' ').next().filter(|code| is_version && code.len() == 3)?;
    number(code).ok().filter(|code| *code >= 100)
}

/// Parses a number of digits only: `str::parse` also accepts a plus sign.
fn number<T: std::str::FromStr>(text: &str) -> Result<T, Malformed> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    text.parse().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: &str =
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\nServer: GStreamer RTSP server\r\n\r\n";

    #[test]
    fn a_response_is_parsed_with_the_length_of_its_body() {
        let described = "RTSP/1.0 401 Unauthorized\r\ncseq:7\r\ncontent-length: 5\r\n\r\nv=0\r\n";
        let length = described.len() - 5;
        assert_eq!(
            parse(described.as_bytes()),
            Ok(Some(ResponseHead { code: 401, sequence: Some(7), body: 5, length }))
        );
        let terse = "RTSP/2.0 200\n\nrest";
        assert_eq!(parse(terse.as_bytes()), Ok(Some(ResponseHead { code: 200, sequence: None, body: 0, length: 14 })));
    }

    #[test]
    fn other_protocols_are_rejected_at_their_first_bytes() {
        for text in [
            "HTTP/1.1 400 Bad Request\r\n",
            "SSH-2.0-OpenSSH\r\n",
            "rtsp/1.0 200 OK\r\n\r\n",
            "RTSP/1.0 2000 OK\r\n\r\n",
            "RTSP/1.0 +20 OK\r\n\r\n",
            "RTSP/1.0 099 OK\r\n\r\n",
            "RTSP/1 200 OK\r\n\r\n",
            "RTSP/1.0\r\n\r\n",
            "RTSP/1.0 200 OK\r\nCSeq: one\r\n\r\n",
            "RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(parse(b"H"), Err(Malformed));
        assert_eq!(parse(b"RTS"), Ok(None));
    }

    #[test]
    fn a_head_without_end_is_rejected() {
        let mut endless = b"RTSP/1.0 200 OK\r\n".to_vec();
        endless.resize(MAX_HEAD - 1, b'x');
        assert_eq!(parse(&endless), Ok(None));
        endless.push(b'x');
        assert_eq!(parse(&endless), Err(Malformed));
    }

    proptest! {
        #[test]
        fn a_response_is_complete_with_its_empty_line_and_not_before(end in 0..=OPTIONS.len()) {
            let response = parse(&OPTIONS.as_bytes()[..end]).unwrap();
            prop_assert_eq!(response.is_some(), end == OPTIONS.len());
        }

        #[test]
        fn no_input_causes_a_panic(bytes: Vec<u8>, line in "RTSP/1.0 [0-9 ]{0,6}[ -~\r\n]{0,60}\r\n\r\n") {
            let _ = (parse(&bytes), parse(line.as_bytes()));
        }
    }
}
