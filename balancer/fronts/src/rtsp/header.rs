//! The header lines of a head (RFC 2326 section 4), of requests and responses alike.
//!
//! Continuation lines are rejected. No client sends them, and recipients disagree on their meaning (RFC 9112 section
//! 5.2).

/// Returns the lines up to the first empty one.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').map(without_cr).take_while(|line| !line.is_empty())
}

/// Returns the name and the value of a header line.
pub(super) fn parse_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_clean = value.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control());
    (is_token(name) && is_clean).then_some((name, value.trim_ascii()))
}

/// Returns the `CSeq` of a head that is invalid or incomplete, for the response to it: GStreamer and Media3 accept no
/// response without one.
pub(super) fn find_cseq(head: &[u8]) -> Option<u64> {
    find(head, b"CSeq").and_then(parse_number)
}

/// Returns the length of the body after the head of a request or a response; 0 if the head does not give it.
pub(super) fn find_content_length(head: &[u8]) -> usize {
    let length = find(head, b"Content-Length").and_then(parse_number);
    length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
}

/// Returns the value of the first valid header line with the name `name`, in any case.
pub(super) fn find<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines(head).filter_map(parse_header).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Parses a number of 64 bits, which consists of digits only.
pub(super) fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Returns whether `bytes` are a token (RFC 2326 section 15.1).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Returns `line` without the CR before its LF.
pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cseq_of_an_invalid_head_is_found() {
        assert_eq!(find_cseq(b"PLAY * RTSP/1.0\r\n\r\ncseq: 5\r\n"), None);
        assert_eq!(find_cseq(b"X\r\nbroken\r\ncseq: 5\r\n"), Some(5));
        assert_eq!(find_cseq(b"PLAY rtsp://h RTSP/9\r\ncseq: 5\r\n"), Some(5));
    }
}
