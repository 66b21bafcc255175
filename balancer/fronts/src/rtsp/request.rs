//! Parses the head of a request in place (RFC 2326 section 6).

use super::header::{find, is_token, lines, parse_header, parse_number, without_cr};
use super::limits::Limits;
use super::method::Method;
use super::request_error::RequestError;

/// The head of a request. Borrows the bytes that it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The target, not yet parsed.
    pub target: &'a [u8],
    /// The sequence number, which the response must repeat (RFC 2326 section 12.17).
    pub cseq: u64,
    /// The length of the body after the head; 0 without a `Content-Length`.
    pub content_length: usize,
    /// The header lines, which have been validated.
    header_lines: &'a [u8],
}

impl<'a> Request<'a> {
    /// Parses a complete head, as found by a [`HeadScanner`](super::head::HeadScanner).
    ///
    /// # Errors
    ///
    /// A [`RequestError`] that [`HeadScanner::advance`](super::head::HeadScanner::advance) does not return.
    pub fn from_head(head: &'a [u8], limits: &Limits) -> Result<Self, RequestError> {
        let line_end = head.iter().position(|&byte| byte == b'\n').ok_or(RequestError::MalformedRequestLine)?;
        let (method, target) = parse_request_line(without_cr(&head[..line_end]))?;
        let header_lines = &head[line_end + 1..];
        let mut cseq = None;
        let mut content_length = None;
        for line in lines(header_lines) {
            let (name, value) = parse_header(line).ok_or(RequestError::MalformedHeader)?;
            if name.eq_ignore_ascii_case(b"CSeq") && cseq.is_none() {
                cseq = Some(parse_number(value).ok_or(RequestError::BadCSeq)?);
            } else if name.eq_ignore_ascii_case(b"Content-Length") {
                let length = parse_number(value).ok_or(RequestError::BadContentLength)?;
                if content_length.is_some_and(|other| other != length) {
                    return Err(RequestError::BadContentLength);
                }
                content_length = Some(length);
            }
        }
        let content_length = usize::try_from(content_length.unwrap_or(0))
            .ok()
            .filter(|&length| length <= limits.body)
            .ok_or(RequestError::BodyTooLarge)?;
        Ok(Self { method, target, cseq: cseq.ok_or(RequestError::MissingCSeq)?, content_length, header_lines })
    }

    /// Returns the value of the first header with the name `name`, in any case, without surrounding space.
    ///
    /// It contains no control character except tabs, but may contain bytes outside ASCII.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        find(self.header_lines, name.as_bytes())
    }
}

/// Splits a request line at its first and last space. A space that the client has left in the URL then becomes part of
/// the target, where it is invalid.
fn parse_request_line(line: &[u8]) -> Result<(Method, &[u8]), RequestError> {
    let malformed = RequestError::MalformedRequestLine;
    let first = line.iter().position(|&byte| byte == b' ');
    let last = line.iter().rposition(|&byte| byte == b' ');
    let (Some(first), Some(last)) = (first, last) else {
        return Err(malformed);
    };
    let method = &line[..first];
    if first == last || !is_token(method) {
        return Err(malformed);
    }
    match &line[last + 1..] {
        b"RTSP/1.0" => Ok((Method::from_token(method), &line[first + 1..last])),
        version if version.starts_with(b"RTSP/") => Err(RequestError::Version),
        _ => Err(malformed),
    }
}

#[cfg(test)]
mod tests;
