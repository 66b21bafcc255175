//! One RTSP connection, from its bytes to its responses.
//!
//! The caller reads bytes, and steps until more are needed:
//!
//! ```text
//! let mut input = &read[..];
//! loop {
//!     match session.step(&mut input, date, &mut out) {
//!         Step::NeedMore => break,               // send `out`, read on
//!         Step::Responded(_) => {}               // send `out` now or with the next response
//!         Step::StreamRequested(requested) => {  // redirect the client,
//!             let cseq = requested.request.cseq;
//!             response::redirect(&mut out, cseq, date, &location, "policy", Connection::Close);
//!             return close_after(out);           // or relay the head, and `input` after it
//!         }
//!         Step::RedirectFollowed(requested) => {} // relay to the edge in the redirect
//!         Step::Rejected(_) => return close_after(out),
//!         Step::Finished => break,               // read and discard until the client closes
//!     }
//! }
//! ```
//!
//! To close, the caller sends `out`, shuts down the connection for writing, and reads for another second or two.
//! Closing a socket with unread bytes resets the connection, and the client may never receive the response.

use super::head::HeadScanner;
use super::header::find_cseq;
use super::limits::Limits;
use super::location::Location;
use super::outcome::Outcome;
use super::rejection::Rejection;
use super::request::Request;
use super::request_error::RequestError;
use super::response::{self, Connection};
use super::status::Status;
use super::target::Target;

/// The number of bytes before the payload of an interleaved frame: `$`, the channel, and two bytes of length
/// (RFC 2326 section 10.12).
const FRAME_HEADER: usize = 4;

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    /// The start of a head, or of the header of a frame, that has arrived in part: at most `limits.head` bytes. A head
    /// that arrives in one fragment is not copied here.
    buffer: Vec<u8>,
    /// The search for the end of the head.
    scanner: HeadScanner,
    /// Whether `buffer` holds a head that has been answered. It is cleared at the next step only, because a
    /// [`Step::StreamRequested`] borrows it until then.
    answered: bool,
    /// The number of bytes of a body or a frame that have yet to arrive, and are skipped.
    skip: usize,
    /// The number of frames received.
    frames: usize,
    /// The number of requests received.
    requests: usize,
    /// The location of a redirect that the client may request on this connection.
    redirected_to: Option<Location>,
    /// Whether the last response has been given.
    finished: bool,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// All input has been read. The caller sends the output, and steps again when more bytes arrive.
    NeedMore,
    /// A response was appended. The connection continues.
    Responded(Status),
    /// The client requests a stream. Nothing was appended: the caller redirects, relays or rejects the client.
    StreamRequested(StreamRequest<'a>),
    /// A redirected client requests a stream of the edge that it was redirected to, on this connection. Nothing was
    /// appended: the caller relays the client to that edge. Another redirect would not end this.
    RedirectFollowed(StreamRequest<'a>),
    /// A rejection was appended. The caller sends it and closes the connection.
    Rejected(Rejection),
    /// The last response was given earlier. All input has been discarded.
    Finished,
}

/// A request for a stream that waits for its response: the `DESCRIBE` of a player, the `ANNOUNCE` or `RECORD` of a
/// publisher, or the `SETUP` of a client that needs no description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRequest<'a> {
    /// The request.
    ///
    /// A `Require` header is left to the edge. The 551 that RFC 2326 section 12.32 demands would keep a client from an
    /// edge that supports the required option.
    pub request: Request<'a>,
    /// The stream. Never [`Target::Asterisk`].
    pub target: Target<'a>,
    /// The bytes of the request up to its body, to be relayed to an edge.
    pub head: &'a [u8],
}

impl Session {
    /// Creates the session of a new connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            scanner: HeadScanner::default(),
            answered: false,
            skip: 0,
            frames: 0,
            requests: 0,
            redirected_to: None,
            finished: false,
        }
    }

    /// Continues after the client was redirected to `location` and its connection stays open. The next request is a
    /// [`Step::RedirectFollowed`] if it names a stream on the server of `location`; any other request ends the session.
    pub fn await_redirected(&mut self, location: Location) {
        self.redirected_to = Some(location);
    }

    /// Ends the session after its last response. Further input is discarded.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Takes bytes off `input` up to the end of one request, and answers it or leaves it to the caller.
    ///
    /// Appends at most one response to `out`, of less than 300 bytes. `date` is as for [`response`]. Call it until it
    /// returns [`Step::NeedMore`] or the session ends. The results do not depend on the fragments in which the bytes
    /// arrive.
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
            Ok(false) => return Step::NeedMore,
            Err(rejection) => {
                self.finished = true;
                return reject(rejection, None, date, out);
            }
        }
        let head = match self.take_head(input) {
            Ok(Some(head)) => head,
            Ok(None) => return Step::NeedMore,
            Err((error, cseq)) => {
                self.finished = true;
                return reject(error.into(), cseq, date, out);
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
            Err(Rejection::TooManyRequests)
        } else {
            Request::from_head(head, &self.limits)
                .map_err(Rejection::from)
                .and_then(|request| Ok((request, Outcome::of(&request)?)))
        };
        if let Some(location) = &self.redirected_to {
            return match outcome {
                Ok((request, Outcome::Stream(target))) if location.is_same_server(target) => {
                    Step::RedirectFollowed(StreamRequest { request, target, head })
                }
                // The client has received its response.
                _ => {
                    self.finished = true;
                    *input = &[];
                    Step::Finished
                }
            };
        }
        match outcome {
            Ok((request, Outcome::Stream(target))) => {
                self.skip = request.content_length;
                Step::StreamRequested(StreamRequest { request, target, head })
            }
            Ok((request, Outcome::Options)) => {
                self.skip = request.content_length;
                response::options(out, request.cseq, date);
                Step::Responded(Status::Ok)
            }
            Ok((request, Outcome::Status(status))) => {
                self.skip = request.content_length;
                response::status(out, status, Some(request.cseq), date, Connection::Open);
                Step::Responded(status)
            }
            Err(rejection) => {
                self.finished = true;
                reject(rejection, find_cseq(head), date, out)
            }
        }
    }

    /// Ends the session of a client that was too slow. Appends a 408, with the `CSeq` of a request that has arrived in
    /// part. The caller sends it and closes the connection.
    ///
    /// Appends nothing if the client has received its last response.
    pub fn time_out(&mut self, date: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) || self.redirected_to.is_some() {
            return;
        }
        let complete_lines = self.scanner.complete_lines().min(self.buffer.len());
        response::timed_out(out, find_cseq(&self.buffer[..complete_lines]), date);
    }

    /// The number of bytes that are kept between steps: at most [`Limits::head`].
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Skips the rest of a body, empty lines (RFC 2326 section 4.1) and interleaved frames. Returns whether a request
    /// starts or continues at `input`.
    fn skip_to_request(&mut self, input: &mut &[u8]) -> Result<bool, Rejection> {
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
                return Err(Rejection::TooManyFrames);
            }
        }
    }

    /// Takes one head off `input`, if it is complete.
    ///
    /// An error comes with the `CSeq` of the complete lines.
    fn take_head<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Head<'i>>, (RequestError, Option<u64>)> {
        let bytes = *input;
        let before = self.buffer.len();
        if before > 0 {
            // Never buffers more than the limit: the scanner needs no more to reject the head.
            let room = self.limits.head - before;
            self.buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        let so_far = if before > 0 { &self.buffer[..] } else { bytes };
        let end = match self.scanner.advance(so_far, &self.limits) {
            Ok(end) => end,
            Err(error) => return Err((error, find_cseq(&so_far[..self.scanner.complete_lines()]))),
        };
        let Some(end) = end else {
            if before == 0 {
                self.buffer.extend_from_slice(bytes);
            }
            *input = &[];
            return Ok(None);
        };
        self.scanner = HeadScanner::default();
        *input = &bytes[end - before..];
        if before > 0 {
            self.buffer.truncate(end);
            return Ok(Some(Head::Buffered));
        }
        Ok(Some(Head::Input(&bytes[..end])))
    }
}

/// The location of a complete head.
enum Head<'i> {
    /// It arrived in fragments, and is the whole buffer.
    Buffered,
    /// It arrived in one fragment.
    Input(&'i [u8]),
}

/// Appends the response to a rejected request.
fn reject<'a>(rejection: Rejection, cseq: Option<u64>, date: &str, out: &mut Vec<u8>) -> Step<'a> {
    response::status(out, rejection.status(), cseq, date, Connection::Close);
    Step::Rejected(rejection)
}

#[cfg(test)]
mod tests;
