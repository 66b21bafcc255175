//! Passes messages between a relayed client and its edge until the transport of the media is set up.
//!
//! A relay forwards one TCP connection. Media over UDP would bypass it: the edge would send them to this balancer, and
//! expect them from it. A `SETUP` that offers UDP alone is therefore rejected here, and the client tries again with
//! TCP; a client that supports both does so on the same connection. After the first `SETUP` that offers TCP, the filter
//! is done and everything passes unread. It is also done if it cannot parse a message: that is for client and edge to
//! judge.

use super::head::HeadScanner;
use super::header::find_content_length;
use super::limits::Limits;
use super::method::Method;
use super::request::Request;
use super::response::{self, Connection};
use super::status::Status;
use super::transport::Offer;

/// Both directions between a client and its edge.
#[derive(Debug)]
pub struct SetupFilter {
    limits: Limits,
    from_client: Direction,
    from_edge: Direction,
    /// The number of requests that the edge has received and not answered. A response of the filter has to wait for
    /// theirs.
    unanswered: usize,
    /// Whether the head in `from_client` is a `SETUP` that the filter rejects.
    rejects: bool,
    is_done: bool,
}

/// One of the two directions.
#[derive(Debug, Default)]
struct Direction {
    /// A head that is incomplete, or has yet to pass: at most [`Limits::head`] bytes.
    head: Vec<u8>,
    /// The search for the end of the head.
    scanner: HeadScanner,
    /// The number of bytes of a body that have yet to arrive.
    body: usize,
}

/// The content of a direction's buffer after some bytes have arrived.
enum Buffered {
    /// Nothing, or the start of a head.
    Part,
    /// A complete head.
    Head,
    /// Bytes that are not a message.
    Invalid,
}

impl SetupFilter {
    /// Creates the filter of a new session.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            from_client: Direction::default(),
            from_edge: Direction::default(),
            unanswered: 0,
            rejects: false,
            is_done: false,
        }
    }

    /// Returns whether everything passes from now on.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns whether the filter needs bytes from the edge before it takes more from the client.
    #[must_use]
    pub fn awaits_edge(&self) -> bool {
        self.rejects && self.edge_must_respond() && !self.is_done
    }

    /// Returns whether the edge has unanswered requests, or an incomplete response.
    fn edge_must_respond(&self) -> bool {
        self.unanswered > 0 || self.from_edge.body > 0
    }

    /// Takes bytes from the client. Appends the bytes for the edge, and the filter's own response to the client.
    ///
    /// While the filter [awaits the edge](Self::awaits_edge), it leaves input, which the caller passes again once the
    /// edge has sent more. `date` is as for [`response`].
    pub fn receive_from_client(
        &mut self,
        input: &mut &[u8],
        date: &str,
        to_edge: &mut Vec<u8>,
        to_client: &mut Vec<u8>,
    ) {
        while !self.is_done {
            if self.rejects {
                if self.edge_must_respond() {
                    return;
                }
                self.reject(date, to_client);
            }
            match self.from_client.take(input, &self.limits, to_edge) {
                Buffered::Part => return,
                Buffered::Head => self.filter(to_edge),
                Buffered::Invalid => self.is_done = true,
            }
        }
        self.from_client.pass(to_edge);
        to_edge.extend_from_slice(input);
        *input = &[];
        // The edge may have sent a part of a message, whichever side has ended the filter.
        self.from_edge.pass(to_client);
    }

    /// Takes all bytes from the edge. Appends the bytes for the client.
    pub fn receive_from_edge(&mut self, input: &mut &[u8], to_client: &mut Vec<u8>) {
        while !self.is_done {
            match self.from_edge.take(input, &self.limits, to_client) {
                Buffered::Part => return,
                Buffered::Head => {
                    let head = &self.from_edge.head;
                    if is_response(head) && !head.starts_with(b"RTSP/1.0 1") {
                        self.unanswered = self.unanswered.saturating_sub(1);
                    }
                    self.from_edge.body = find_content_length(head);
                    self.from_edge.pass(to_client);
                }
                Buffered::Invalid => self.is_done = true,
            }
        }
        self.from_edge.pass(to_client);
        to_client.extend_from_slice(input);
        *input = &[];
    }

    /// Ends the filter after one side has closed its direction. Returns the buffered bytes for the edge and for the
    /// client, which pass unread, except a rejected `SETUP`.
    #[must_use]
    pub fn into_buffered(self) -> (Vec<u8>, Vec<u8>) {
        let from_client = if self.rejects { Vec::new() } else { self.from_client.head };
        (from_client, self.from_edge.head)
    }

    /// The number of bytes that are kept between calls: at most twice [`Limits::head`].
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.from_client.head.len() + self.from_edge.head.len()
    }

    /// Passes the client's head, or marks it as rejected.
    fn filter(&mut self, to_edge: &mut Vec<u8>) {
        let direction = &mut self.from_client;
        if is_response(&direction.head) {
            direction.body = find_content_length(&direction.head);
            return direction.pass(to_edge);
        }
        let Ok(request) = Request::from_head(&direction.head, &self.limits) else {
            self.is_done = true;
            return;
        };
        let is_setup = request.method == Method::Setup;
        direction.body = request.content_length;
        if is_setup {
            match Offer::of(&direction.head) {
                // No client sends a SETUP with a body. One that has a body is left to the edge.
                Offer::Unsupported if direction.body == 0 => {
                    self.rejects = true;
                    return;
                }
                Offer::PartlySupported(head) => direction.head = head,
                Offer::Supported | Offer::Unsupported => {}
            }
            self.is_done = true;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        direction.pass(to_edge);
    }

    /// Responds to the rejected `SETUP`.
    fn reject(&mut self, date: &str, to_client: &mut Vec<u8>) {
        let head = std::mem::take(&mut self.from_client.head);
        // It has been parsed before.
        let cseq = Request::from_head(&head, &self.limits).ok().map(|request| request.cseq);
        response::status(to_client, Status::UnsupportedTransport, cseq, date, Connection::Open);
        self.rejects = false;
    }
}

impl Direction {
    /// Takes bytes off `input` up to the end of a head. Appends everything that is not part of a head to `output`.
    fn take(&mut self, input: &mut &[u8], limits: &Limits, output: &mut Vec<u8>) -> Buffered {
        let (body, rest) = input.split_at(self.body.min(input.len()));
        self.body -= body.len();
        output.extend_from_slice(body);
        *input = rest;
        if self.head.is_empty() {
            let newlines = input.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
            output.extend_from_slice(&input[..newlines]);
            *input = &input[newlines..];
        }
        match self.head.first().or(input.first()) {
            None => return Buffered::Part,
            // An interleaved frame, which has no meaning before the transport is set up.
            Some(b'$') => return Buffered::Invalid,
            Some(_) => {}
        }
        let before = self.head.len();
        let (taken, rest) = input.split_at(input.len().min(limits.head - before));
        self.head.extend_from_slice(taken);
        match self.scanner.advance(&self.head, limits) {
            Ok(Some(end)) => {
                self.scanner = HeadScanner::default();
                self.head.truncate(end);
                *input = &input[end - before..];
                Buffered::Head
            }
            Ok(None) => {
                *input = rest;
                Buffered::Part
            }
            Err(_) => {
                *input = rest;
                Buffered::Invalid
            }
        }
    }

    /// Moves the buffered head to `output`.
    fn pass(&mut self, output: &mut Vec<u8>) {
        output.append(&mut self.head);
    }
}

/// Returns whether a head is that of a response. Both sides may send requests (RFC 2326 section 1.4).
fn is_response(head: &[u8]) -> bool {
    head.starts_with(b"RTSP/")
}

#[cfg(test)]
mod tests;
