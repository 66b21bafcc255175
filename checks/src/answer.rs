//! The head of an RTSP answer (RFC 2326 section 7; RTSP 2.0, RFC 7826 section 8, has the same form).

/// Longest head that is read, in bytes. Real ones have a few hundred.
pub const MAX_HEAD: usize = 8192;

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code, 100 to 999.
    pub code: u16,
    /// The number of the request that it is an answer to. Some servers leave it out when they refuse.
    pub sequence: Option<u32>,
    /// Bytes of the body; 0 when nothing is said of it (RFC 2326 section 4.4).
    pub body: usize,
    /// Bytes of the head, its empty line included.
    pub length: usize,
}

/// It is no answer in RTSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no RTSP")]
pub struct Malformed;

/// Reads the head of an answer that `bytes` begin with; nothing when more must come.
///
/// Lines may end in LF alone. Headers that are not needed here are not looked at.
///
/// # Errors
/// [`Malformed`], as soon as no more bytes can make it an answer, and when the head is longer than [`MAX_HEAD`].
pub fn read(bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
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
    let mut answer = Answer { code, sequence: None, body: 0, length };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("CSeq") {
            answer.sequence = Some(number(value)?);
        } else if name.eq_ignore_ascii_case("Content-Length") {
            answer.body = number(value)?;
        }
    }
    Ok(Some(answer))
}

/// Bytes up to the end of the first empty line.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let line_ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    line_ends.into_iter().find_map(|next| match &bytes[next..] {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// The code in `RTSP/1.0 200 OK`; the phrase may be missing.
fn code(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("RTSP/")?;
    let (version, rest) = rest.split_once(' ')?;
    let is_version =
        matches!(version.as_bytes(), [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
    let code = rest.split(' ').next().filter(|code| is_version && code.len() == 3)?;
    number(code).ok().filter(|code| *code >= 100)
}

/// Digits and nothing else: `parse` alone takes a plus sign, too.
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
    fn an_answer_is_read_with_what_follows_it() {
        let described = "RTSP/1.0 401 Unauthorized\r\ncseq:7\r\ncontent-length: 5\r\n\r\nv=0\r\n";
        let length = described.len() - 5;
        assert_eq!(read(described.as_bytes()), Ok(Some(Answer { code: 401, sequence: Some(7), body: 5, length })));
        let terse = "RTSP/2.0 200\n\nrest";
        assert_eq!(read(terse.as_bytes()), Ok(Some(Answer { code: 200, sequence: None, body: 0, length: 14 })));
    }

    #[test]
    fn other_protocols_are_told_from_their_first_bytes() {
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
            assert_eq!(read(text.as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(read(b"H"), Err(Malformed));
        assert_eq!(read(b"RTS"), Ok(None));
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let mut endless = b"RTSP/1.0 200 OK\r\n".to_vec();
        endless.resize(MAX_HEAD - 1, b'x');
        assert_eq!(read(&endless), Ok(None));
        endless.push(b'x');
        assert_eq!(read(&endless), Err(Malformed));
    }

    proptest! {
        #[test]
        fn an_answer_is_complete_with_its_empty_line_and_not_before(end in 0..=OPTIONS.len()) {
            let answer = read(&OPTIONS.as_bytes()[..end]).unwrap();
            prop_assert_eq!(answer.is_some(), end == OPTIONS.len());
        }

        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, line in "RTSP/1.0 [0-9 ]{0,6}[ -~\r\n]{0,60}\r\n\r\n") {
            let _ = (read(&bytes), read(line.as_bytes()));
        }
    }
}
