//! One RTSP connection, from its bytes to its answers.
//!
//! The caller reads bytes, and asks for the next step until there is none:
//!
//! ```text
//! let mut input = &read[..];
//! loop {
//!     match session.step(&mut input, date, &mut out) {
//!         Step::Need => break,                   // send `out`, read on
//!         Step::Reply(_) => {}                   // send `out` now or with the next
//!         Step::Open(opening) => {               // a redirect,
//!             let cseq = opening.request.cseq;
//!             respond::redirect(&mut out, cseq, date, &location, "policy", Connection::Close);
//!             return close_after(out);           // or the relay of the head, and of `input` after it
//!         }
//!         Step::Return(opening) => {}            // the relay to the edge that was named
//!         Step::Refuse(_) => return close_after(out),
//!         Step::Finished => break,               // read on and throw away until the client closes
//!     }
//! }
//! ```
//!
//! Closing means: send, shut down the sending side, and read on for a second or two. A socket that
//! is closed while the client's bytes are unread resets the connection, and the client may never
//! see the answer.

use super::answer::{Answer, answer};
use super::limits::Limits;
use super::location::Location;
use super::refusal::Refusal;
use super::request::{HeadScan, Request, RequestError, find_cseq};
use super::respond::{self, Connection, Status};
use super::target::Target;

/// Bytes before the payload of an interleaved frame: `$`, channel, and length in two bytes
/// (RFC 2326 section 10.12).
const FRAME_HEADER: usize = 4;

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    /// What the client may send.
    limits: Limits,
    /// The start of a head, or of a frame's header, that was not complete in one input. At most
    /// `limits.head` bytes. While a head comes in one piece nothing is copied here.
    buffer: Vec<u8>,
    /// How far the end of the head has been looked for.
    scan: HeadScan,
    /// Whether `buffer` holds a head that is answered. It is cleared at the next step, since a
    /// [`Step::Open`] borrows it until then.
    answered: bool,
    /// Bytes of a body or a frame still to come, and to be thrown away.
    skip: usize,
    /// Frames seen.
    frames: usize,
    /// Requests seen.
    requests: usize,
    /// Where the client was sent, if it may come back on this connection for the edge that is named.
    named: Option<Location>,
    /// Whether the last answer is given.
    finished: bool,
}

/// What the caller has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Everything is read: send what was appended, and come back with more bytes.
    Need,
    /// An answer was appended, and the connection goes on.
    Reply(Status),
    /// A client wants a stream, and nothing was appended. What it gets is the caller's to say: a
    /// redirect, an edge that is asked in its name, or a refusal.
    Open(Opening<'a>),
    /// A client that was sent to an edge asks for that edge on this connection, and nothing was
    /// appended: bring it there, since it would only ask again elsewhere.
    Return(Opening<'a>),
    /// A refusal was appended: send, and close.
    Refuse(Refusal),
    /// The last answer was given before: throw away what still comes. All input is consumed.
    Finished,
}

/// A request for a stream that waits for its answer: `DESCRIBE` of a player, `ANNOUNCE` or `RECORD`
/// of a publisher, or `SETUP` of somebody who knows what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The request: its `CSeq` goes into the answer, its headers may tell the client.
    ///
    /// A `Require` header is for the edge to judge. The 551 that RFC 2326 section 12.32 asks for
    /// would keep a client from an edge that has what it requires.
    pub request: Request<'a>,
    /// The stream. Never [`Target::Asterisk`].
    pub target: Target<'a>,
    /// The bytes of the request, up to its body: what an edge is to be asked.
    pub head: &'a [u8],
}

impl Session {
    /// A new connection, of which nothing is read.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            scan: HeadScan::default(),
            answered: false,
            skip: 0,
            frames: 0,
            requests: 0,
            named: None,
            finished: false,
        }
    }

    /// The client was sent to `location`, and the connection stays open: what comes next is a
    /// [`Step::Return`] if it asks for something at the host that `location` names, or the end.
    pub fn expect_return(&mut self, location: Location) {
        self.named = Some(location);
    }

    /// The last answer was given: what still comes is thrown away.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Takes bytes off `input` up to the end of one request, and says what to do.
    ///
    /// An answer, if there is one, is appended to `out`: at most one, of less than 300 bytes.
    /// `date` is as [`respond`] asks. To be called until it returns [`Step::Need`] or an end; what
    /// is returned does not depend on the pieces in which the bytes came.
    pub fn step<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8], date: &str, out: &mut Vec<u8>) -> Step<'s> {
        if self.finished {
            *input = &[];
            return Step::Finished;
        }
        if self.answered {
            self.answered = false;
            self.buffer.clear();
        }
        match self.skip_to_request(input) {
            Ok(true) => {}
            Ok(false) => return Step::Need,
            Err(refusal) => {
                self.finished = true;
                return refuse(refusal, None, date, out);
            }
        }
        let head = match self.take_head(input) {
            Ok(Some(head)) => head,
            Ok(None) => return Step::Need,
            Err((error, cseq)) => {
                self.finished = true;
                return refuse(error.into(), cseq, date, out);
            }
        };
        self.answered = true;
        self.requests = self.requests.saturating_add(1);
        // Borrowed apart from the rest of `self`, which changes while the step borrows the head.
        let head = match head {
            Head::Buffered => &self.buffer[..],
            Head::Input(head) => head,
        };
        let outcome = if self.requests > self.limits.requests {
            Err(Refusal::TooManyRequests)
        } else {
            Request::from_head(head, &self.limits)
                .map_err(Refusal::from)
                .and_then(|request| Ok((request, answer(&request)?)))
        };
        if let Some(named) = &self.named {
            return match outcome {
                Ok((request, Answer::Open(target))) if named.is_host_of(target) => {
                    Step::Return(Opening { request, target, head })
                }
                // It has had its answer.
                _ => {
                    self.finished = true;
                    *input = &[];
                    Step::Finished
                }
            };
        }
        match outcome {
            Ok((request, Answer::Open(target))) => {
                self.skip = request.content_length;
                Step::Open(Opening { request, target, head })
            }
            Ok((request, Answer::Options)) => {
                self.skip = request.content_length;
                respond::options(out, request.cseq, date);
                Step::Reply(Status::Ok)
            }
            Ok((request, Answer::Status(status))) => {
                self.skip = request.content_length;
                respond::status(out, status, Some(request.cseq), date, Connection::Open);
                Step::Reply(status)
            }
            Err(refusal) => {
                self.finished = true;
                refuse(refusal, find_cseq(head), date, out)
            }
        }
    }

    /// Appends a 408 for a client that was too slow, with the `CSeq` of a request that has come in
    /// part. The caller sends and closes.
    ///
    /// Nothing is appended when the client has had its answer before.
    pub fn time_out(&mut self, date: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) || self.named.is_some() {
            return;
        }
        let complete_lines = self.scan.complete_lines().min(self.buffer.len());
        respond::timed_out(out, find_cseq(&self.buffer[..complete_lines]), date);
    }

    /// The bytes that are kept from one step to the next: at most [`Limits::head`].
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Skips what is not a request: the rest of a body, empty lines (RFC 2326 section 4.1) and
    /// interleaved frames. Returns whether a request starts or goes on at `input`.
    fn skip_to_request(&mut self, input: &mut &[u8]) -> Result<bool, Refusal> {
        loop {
            let skipped = self.skip.min(input.len());
            self.skip -= skipped;
            *input = &input[skipped..];
            if self.buffer.is_empty() {
                let newlines = input.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
                *input = &input[newlines..];
            }
            match self.buffer.first().or(input.first()) {
                None => return Ok(false),
                Some(b'$') => {}
                Some(_) => return Ok(true),
            }
            let missing = FRAME_HEADER - self.buffer.len();
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.buffer.extend_from_slice(taken);
            *input = rest;
            let &[_, _, high, low] = &self.buffer[..] else {
                return Ok(false);
            };
            self.skip = u16::from_be_bytes([high, low]).into();
            self.buffer.clear();
            self.frames = self.frames.saturating_add(1);
            if self.frames > self.limits.frames {
                return Err(Refusal::TooManyFrames);
            }
        }
    }

    /// Takes one head off `input`, if its end has come, and says where it is.
    ///
    /// An error comes with the `CSeq` of the lines before it.
    fn take_head<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Head<'i>>, (RequestError, Option<u64>)> {
        let bytes = *input;
        let before = self.buffer.len();
        if before > 0 {
            // Never more than the limit is kept: HeadScan needs no more to refuse the head.
            let room = self.limits.head - before;
            self.buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        let so_far = if before > 0 { &self.buffer[..] } else { bytes };
        let end = match self.scan.advance(so_far, &self.limits) {
            Ok(end) => end,
            Err(error) => return Err((error, find_cseq(&so_far[..self.scan.complete_lines()]))),
        };
        let Some(end) = end else {
            if before == 0 {
                self.buffer.extend_from_slice(bytes);
            }
            *input = &[];
            return Ok(None);
        };
        self.scan = HeadScan::default();
        *input = &bytes[end - before..];
        if before > 0 {
            self.buffer.truncate(end);
            return Ok(Some(Head::Buffered));
        }
        Ok(Some(Head::Input(&bytes[..end])))
    }
}

/// Where a whole head is.
enum Head<'i> {
    /// It came in pieces and is all of the buffer.
    Buffered,
    /// It came in one piece.
    Input(&'i [u8]),
}

/// Appends the answer to what is refused.
fn refuse<'a>(refusal: Refusal, cseq: Option<u64>, date: &str, out: &mut Vec<u8>) -> Step<'a> {
    respond::status(out, refusal.status(), cseq, date, Connection::Close);
    Step::Refuse(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

    #[test]
    fn describe_is_the_callers_to_answer() {
        let mut session = Session::new(Limits::default());
        let mut input = &b"DESCRIBE rtsp://u:p@h/live/x?a=b RTSP/1.0\nCSeq: 4\nA: b\n\nmore"[..];
        let mut out = Vec::new();
        let Step::Open(opening) = session.step(&mut input, DATE, &mut out) else {
            panic!("no DESCRIBE");
        };
        assert_eq!(opening.request.cseq, 4);
        assert_eq!(opening.request.header("a"), Some(&b"b"[..]));
        assert_eq!(opening.target.path_and_query(), Some("/live/x?a=b"));
        assert_eq!(opening.head, b"DESCRIBE rtsp://u:p@h/live/x?a=b RTSP/1.0\nCSeq: 4\nA: b\n\n");
        assert!(out.is_empty());
        assert_eq!(input, b"more");
        session.finish();
        assert_eq!(session.step(&mut input, DATE, &mut out), Step::Finished);
        assert!(input.is_empty() && out.is_empty());
    }

    #[test]
    fn describe_in_two_pieces_outlives_the_first() {
        let mut session = Session::new(Limits::default());
        let mut out = Vec::new();
        {
            let first = b"DESCRIBE rtsp://h/live ".to_vec();
            let step = session.step(&mut &first[..], DATE, &mut out);
            assert_eq!(step, Step::Need);
        }
        let mut rest = &b"RTSP/1.0\r\nCSeq: 1\r\n\r\n"[..];
        let Step::Open(opening) = session.step(&mut rest, DATE, &mut out) else {
            panic!("no DESCRIBE");
        };
        assert_eq!(opening.target.path_and_query(), Some("/live"));
        assert_eq!(opening.head, b"DESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let mut session = Session::new(Limits::default());
        let mut input = &b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n\r\n\
            SET_PARAMETER * RTSP/1.0\nCSeq: 2\nContent-Length: 4\n\na: b\
            GET_PARAMETER * RTSP/1.0\nCSeq: 3\n\n\
            DESCRIBE /x RTSP/1.0\nCSeq: 4\n\n"[..];
        let mut out = Vec::new();
        for status in [Status::Ok, Status::ParameterNotUnderstood, Status::Ok] {
            let step = session.step(&mut input, DATE, &mut out);
            assert_eq!(step, Step::Reply(status));
        }
        let step = session.step(&mut input, DATE, &mut out);
        assert!(matches!(step, Step::Open(_)));
        let answers = String::from_utf8(out).expect("ASCII");
        let cseqs: Vec<_> = answers.lines().filter(|line| line.starts_with("CSeq")).collect();
        assert_eq!(cseqs, ["CSeq: 1", "CSeq: 2", "CSeq: 3"]);
    }

    #[test]
    fn frames_are_skipped_up_to_their_limit() {
        let limits = Limits { frames: 2, ..Limits::default() };
        let frame = b"$\n\0\x03\n\n\n";
        let options = b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n";
        let bytes = [&frame[..], frame, options, frame].concat();
        for size in 1..=bytes.len() {
            let mut session = Session::new(limits);
            let mut out = Vec::new();
            let mut seen = Vec::new();
            for mut piece in bytes.chunks(size) {
                loop {
                    match session.step(&mut piece, DATE, &mut out) {
                        Step::Need | Step::Finished => break,
                        Step::Reply(status) => seen.push(Ok(status)),
                        Step::Refuse(refusal) => seen.push(Err(refusal)),
                        Step::Open(_) | Step::Return(_) => panic!("a stream"),
                    }
                }
            }
            assert_eq!(seen, [Ok(Status::Ok), Err(Refusal::TooManyFrames)], "{size}");
        }
    }

    #[test]
    fn requests_are_answered_up_to_their_limit() {
        let mut session = Session::new(Limits { requests: 3, ..Limits::default() });
        let bytes = b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n".repeat(5);
        let mut input = &bytes[..];
        let mut out = Vec::new();
        for _ in 0..3 {
            let step = session.step(&mut input, DATE, &mut out);
            assert_eq!(step, Step::Reply(Status::Ok));
        }
        let step = session.step(&mut input, DATE, &mut out);
        assert_eq!(step, Step::Refuse(Refusal::TooManyRequests));
    }

    #[test]
    fn a_megabyte_without_an_end_is_refused_and_not_kept() {
        for (start, expected) in [
            ("DESCRIBE /", RequestError::RequestLineTooLong),
            ("PLAY * RTSP/1.0\nA: ", RequestError::HeaderLineTooLong),
        ] {
            let mut bytes = start.as_bytes().to_vec();
            bytes.resize(1 << 20, b'x');
            for size in [1, 100, 8191, 1 << 20] {
                let mut session = Session::new(Limits::default());
                let mut out = Vec::new();
                let mut refusals = 0;
                for mut piece in bytes.chunks(size) {
                    match session.step(&mut piece, DATE, &mut out) {
                        Step::Need => {}
                        Step::Refuse(refusal) => {
                            assert_eq!(refusal, expected.into());
                            refusals += 1;
                        }
                        other => assert_eq!(other, Step::Finished),
                    }
                    assert!(session.buffer.capacity() <= 2 * Limits::default().head);
                }
                assert_eq!(refusals, 1);
                assert!(out.len() < 300);
            }
        }
    }

    #[test]
    fn a_body_is_skipped_and_not_kept() {
        let mut session = Session::new(Limits::default());
        let mut out = Vec::new();
        let mut head = &b"PAUSE * RTSP/1.0\nCSeq: 1\nContent-Length: 65536\n\n"[..];
        session.step(&mut head, DATE, &mut out);
        let body = vec![b'x'; 65535];
        assert_eq!(session.step(&mut &body[..], DATE, &mut out), Step::Need);
        assert_eq!(session.buffered(), 0);
        let mut rest = &b"xPLAY * RTSP/1.0\nCSeq: 2\n\n"[..];
        let expected = Step::Reply(Status::MethodNotValidInThisState);
        assert_eq!(session.step(&mut rest, DATE, &mut out), expected);
    }

    /// What a session whose client was sent to `rtsp://edge-1:8554/live/x` makes of `bytes`.
    fn after_a_redirect(bytes: &str) -> (bool, String) {
        let mut session = Session::new(Limits::default());
        session.expect_return(Location::parse("rtsp://edge-1:8554/live/x".to_owned()).expect("a location"));
        let mut out = Vec::new();
        let returned = match session.step(&mut bytes.as_bytes(), DATE, &mut out) {
            Step::Return(opening) => {
                assert_eq!(opening.head, bytes.as_bytes());
                true
            }
            Step::Finished => false,
            other => panic!("{bytes}: {other:?}"),
        };
        (returned, String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn a_client_that_asks_for_the_named_edge_comes_back_and_nobody_else() {
        for request in
            ["DESCRIBE rtsp://edge-1:8554/live/x", "SETUP RTSP://EDGE-1:8554", "ANNOUNCE rtsp://edge-1:8554/y"]
        {
            assert_eq!(
                after_a_redirect(&format!("{request} RTSP/1.0\nCSeq: 2\n\n")),
                (true, String::new()),
                "{request}"
            );
        }
        for request in [
            "DESCRIBE rtsp://edge-1/live/x RTSP/1.0",
            "DESCRIBE rtsps://edge-1:8554/live/x RTSP/1.0",
            "DESCRIBE rtsp://lb:8554/live/x RTSP/1.0",
            "DESCRIBE /live/x RTSP/1.0",
            "OPTIONS rtsp://edge-1:8554/live/x RTSP/1.0",
            "nonsense",
        ] {
            assert_eq!(after_a_redirect(&format!("{request}\nCSeq: 2\n\n")), (false, String::new()), "{request}");
        }
    }

    #[test]
    fn a_client_that_does_not_come_back_is_told_nothing_more() {
        let mut session = Session::new(Limits::default());
        session.expect_return(Location::parse("rtsp://edge-1/live/x".to_owned()).expect("a location"));
        let mut out = Vec::new();
        session.time_out(DATE, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn a_time_out_carries_the_cseq_that_has_come() {
        for (bytes, cseq) in [
            ("", ""),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 12", ""),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 12\r\n", "CSeq: 12\r\n"),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 12\r\n\r\n", ""),
        ] {
            let mut session = Session::new(Limits::default());
            for mut piece in bytes.as_bytes().chunks(1) {
                session.step(&mut piece, DATE, &mut Vec::new());
            }
            let mut out = Vec::new();
            session.time_out(DATE, &mut out);
            let answer = String::from_utf8(out).expect("ASCII");
            let start = format!("RTSP/1.0 408 Request Time-out\r\n{cseq}Date: ");
            assert!(answer.starts_with(&start), "{answer}");
            let step = session.step(&mut &b"x"[..], DATE, &mut Vec::new());
            assert_eq!(step, Step::Finished);
        }
    }
}
