//! What an answer of the kernel says: data, an end, or what it refuses and why.

use std::fmt;
use std::io;

use super::message::HEADER_LENGTH;
use super::{Attributes, Malformed, Message, behind, flags};

/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE`, `NLMSG_OVERRUN` (linux/netlink.h).
const NOTHING: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;
/// `NLMSGERR_ATTR_MSG`: what is wrong, in words.
const EXPLANATION: u16 = 1;

/// What the kernel refuses, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error's number, positive, as in errno(3).
    pub code: i32,
    /// What the kernel says in words; older kernels, and older parts of it, say nothing.
    pub explanation: Option<String>,
}

impl Refusal {
    /// Whether it is this error.
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

/// What a message is within an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// What was asked for, or a part of it.
    Data(Message<'a>),
    /// It is done, or the list is at its end.
    End,
    /// It is refused.
    Refused(Refusal),
    /// Nothing that matters.
    Nothing,
}

impl<'a> Answer<'a> {
    /// Says what this message is.
    ///
    /// # Errors
    /// [`Malformed`] when it is an end without the number that says how it ended, or messages were lost.
    pub fn of(message: Message<'a>) -> Result<Self, Malformed> {
        // An acknowledgement repeats the request behind its number, at least the header of it.
        let (code, explanation) = match message.kind {
            NOTHING => return Ok(Self::Nothing),
            ERROR => (code(message.body)?, behind_request(message)),
            // A list that ended well may end without a number.
            DONE if message.body.is_empty() => return Ok(Self::End),
            DONE => (code(message.body)?, message.body.get(4..).unwrap_or_default()),
            OVERRUN => return Err(Malformed("messages were lost")),
            _ => return Ok(Self::Data(message)),
        };
        if code >= 0 {
            return Ok(Self::End);
        }
        let explanation = Some(explanation).filter(|_| message.flags & flags::EXPLAINED != 0);
        // What it says in words only helps: words that cannot be read are none.
        let explanation =
            explanation.and_then(|attributes| Attributes(attributes).find_kind(EXPLANATION).ok().flatten());
        let explanation = explanation.and_then(|attribute| attribute.text().ok()).map(str::to_owned);
        Ok(Self::Refused(Refusal { code: code.saturating_neg(), explanation }))
    }
}

fn code(body: &[u8]) -> Result<i32, Malformed> {
    let (code, _) = body.split_first_chunk().ok_or(Malformed("an end without its number"))?;
    Ok(i32::from_ne_bytes(*code))
}

/// What follows the repeated request in a refusal.
fn behind_request(refusal: Message<'_>) -> &[u8] {
    let request = refusal.body.get(4..).unwrap_or_default();
    if refusal.flags & flags::CAPPED != 0 {
        return behind(request, HEADER_LENGTH);
    }
    let length = request.first_chunk().map_or(usize::MAX, |length| u32::from_ne_bytes(*length) as usize);
    if length > request.len() { &[] } else { behind(request, length) }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::netlink::Request;

    fn message(kind: u16, flags: u16, body: &[u8]) -> Message<'_> {
        Message { kind, flags, sequence: 1, body }
    }

    fn refused(code: i32, explanation: Option<&str>) -> Answer<'static> {
        Answer::Refused(Refusal { code, explanation: explanation.map(str::to_owned) })
    }

    #[test]
    fn an_error_of_zero_is_an_acknowledgement() {
        let body = [0; 20];
        assert_eq!(Answer::of(message(ERROR, 0, &body)), Ok(Answer::End));
        assert_eq!(Answer::of(message(DONE, 0, &body[..4])), Ok(Answer::End));
        assert!(Answer::of(message(ERROR, 0, &[])).is_err());
    }

    #[test]
    fn what_the_kernel_says_in_words_is_passed_on() {
        let mut request = Request::new(20, 0);
        request.put(1, &[7; 9]);
        let request = request.encode(1).unwrap();
        let mut words = Request::new(0, 0);
        words.put(2, &[0; 4]).put_text(EXPLANATION, "no such scheduler");
        let words = &words.encode(0).unwrap()[HEADER_LENGTH..];
        let code = (-2_i32).to_ne_bytes();

        let whole = [&code[..], &request, words].concat();
        let expected = refused(2, Some("no such scheduler"));
        assert_eq!(Answer::of(message(ERROR, flags::EXPLAINED, &whole)), Ok(expected.clone()));
        let capped = [&code[..], &request[..HEADER_LENGTH], words].concat();
        let flags_of_capped = flags::EXPLAINED | flags::CAPPED;
        assert_eq!(Answer::of(message(ERROR, flags_of_capped, &capped)), Ok(expected.clone()));
        let done = [&code[..], words].concat();
        assert_eq!(Answer::of(message(DONE, flags::EXPLAINED, &done)), Ok(expected));
        assert_eq!(Answer::of(message(ERROR, 0, &whole)), Ok(refused(2, None)));
    }

    #[test]
    fn a_refusal_reads_well() {
        let refusal = Refusal { code: Errno::NOENT.raw_os_error(), explanation: Some("no such table".to_owned()) };
        assert!(refusal.is(Errno::NOENT) && !refusal.is(Errno::EXIST));
        assert_eq!(refusal.to_string(), "no such table: No such file or directory (os error 2)");
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(kind in 0..6_u16, flags: u16, body: Vec<u8>) {
            let _ = Answer::of(message(kind, flags, &body));
        }
    }
}
