//! Classifies reply messages of the kernel: data, the end of the reply, or an error with its cause.

use std::fmt;
use std::io;

use super::message::HEADER_LENGTH;
use super::{Attributes, Malformed, Message, after_padded, flags};

/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE`, `NLMSG_OVERRUN` (linux/netlink.h).
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;
/// `NLMSGERR_ATTR_MSG`: the error message of an extended acknowledgement.
const EXPLANATION: u16 = 1;

/// The error with which the kernel refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Error number, positive, as in errno(3).
    pub code: i32,
    /// Error message of the kernel (extended acknowledgement); older kernels and older subsystems send none.
    pub explanation: Option<String>,
}

impl Refusal {
    /// Returns whether the error is `errno`.
    #[must_use]
    pub fn is(&self, errno: rustix::io::Errno) -> bool {
        self.code == errno.raw_os_error()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.code);
        match &self.explanation {
            Some(explanation) => write!(f, "{explanation}: {error}"),
            None => error.fmt(f),
        }
    }
}

/// A message of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The requested data, or a part of it.
    Data(Message<'a>),
    /// The acknowledgement of a request, or the end of a dump.
    End,
    /// The kernel refused the request.
    Refused(Refusal),
    /// A message to ignore.
    Noop,
}

impl<'a> Reply<'a> {
    /// Classifies a message.
    ///
    /// # Errors
    /// [`Malformed`] when an end carries no error number, or when the kernel reports lost messages.
    pub fn of(message: Message<'a>) -> Result<Self, Malformed> {
        // In an acknowledgement, the error number is followed by the request, or at least by its header.
        let (code, explanation) = match message.kind {
            NOOP => return Ok(Self::Noop),
            ERROR => (code(message.body)?, after_request(message)),
            // A successful dump may end without an error number.
            DONE if message.body.is_empty() => return Ok(Self::End),
            DONE => (code(message.body)?, message.body.get(4..).unwrap_or_default()),
            OVERRUN => return Err(Malformed("messages were lost")),
            _ => return Ok(Self::Data(message)),
        };
        if code >= 0 {
            return Ok(Self::End);
        }
        let explanation = Some(explanation).filter(|_| message.flags & flags::EXPLAINED != 0);
        // The message is only a hint: an unreadable one must not hide the error number.
        let explanation =
            explanation.and_then(|attributes| Attributes(attributes).find_kind(EXPLANATION).ok().flatten());
        let explanation = explanation.and_then(|attribute| attribute.text().ok()).map(str::to_owned);
        Ok(Self::Refused(Refusal { code: code.saturating_neg(), explanation }))
    }
}

fn code(body: &[u8]) -> Result<i32, Malformed> {
    let (code, _) = body.split_first_chunk().ok_or(Malformed("end of reply without an error number"))?;
    Ok(i32::from_ne_bytes(*code))
}

/// Returns the bytes after the echoed request in an error message; empty if the message is too short, since they only
/// hold the optional explanation.
fn after_request(refusal: Message<'_>) -> &[u8] {
    let request = refusal.body.get(4..).unwrap_or_default();
    if refusal.flags & flags::CAPPED != 0 {
        return after_padded(request, HEADER_LENGTH);
    }
    let length = request.first_chunk().map_or(usize::MAX, |length| u32::from_ne_bytes(*length) as usize);
    if length > request.len() { &[] } else { after_padded(request, length) }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::netlink::Request;

    fn message(kind: u16, flags: u16, body: &[u8]) -> Message<'_> {
        Message { kind, flags, sequence: 1, body }
    }

    fn refused(code: i32, explanation: Option<&str>) -> Reply<'static> {
        Reply::Refused(Refusal { code, explanation: explanation.map(str::to_owned) })
    }

    #[test]
    fn an_error_of_zero_is_an_acknowledgement() {
        let body = [0; 20];
        assert_eq!(Reply::of(message(ERROR, 0, &body)), Ok(Reply::End));
        assert_eq!(Reply::of(message(DONE, 0, &body[..4])), Ok(Reply::End));
        assert!(Reply::of(message(ERROR, 0, &[])).is_err());
    }

    #[test]
    fn the_error_message_of_the_kernel_is_kept() {
        let mut request = Request::new(20, 0);
        request.put(1, &[7; 9]);
        let request = request.encode(1).unwrap();
        let mut words = Request::new(0, 0);
        words.put(2, &[0; 4]).put_text(EXPLANATION, "no such scheduler");
        let words = &words.encode(0).unwrap()[HEADER_LENGTH..];
        let code = (-2_i32).to_ne_bytes();

        let whole = [&code[..], &request, words].concat();
        let expected = refused(2, Some("no such scheduler"));
        assert_eq!(Reply::of(message(ERROR, flags::EXPLAINED, &whole)), Ok(expected.clone()));
        let capped = [&code[..], &request[..HEADER_LENGTH], words].concat();
        let flags_of_capped = flags::EXPLAINED | flags::CAPPED;
        assert_eq!(Reply::of(message(ERROR, flags_of_capped, &capped)), Ok(expected.clone()));
        let done = [&code[..], words].concat();
        assert_eq!(Reply::of(message(DONE, flags::EXPLAINED, &done)), Ok(expected));
        assert_eq!(Reply::of(message(ERROR, 0, &whole)), Ok(refused(2, None)));
    }

    #[test]
    fn a_refusal_shows_the_kernels_message_and_the_error() {
        let refusal = Refusal { code: Errno::NOENT.raw_os_error(), explanation: Some("no such table".to_owned()) };
        assert!(refusal.is(Errno::NOENT) && !refusal.is(Errno::EXIST));
        assert_eq!(refusal.to_string(), "no such table: No such file or directory (os error 2)");
    }

    proptest::proptest! {
        #[test]
        fn no_message_causes_a_panic(kind in 0..6_u16, flags: u16, body: Vec<u8>) {
            let _ = Reply::of(message(kind, flags, &body));
        }
    }
}
