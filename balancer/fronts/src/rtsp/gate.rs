//! What passes between a relayed client and its edge until it is settled how the media travel.
//!
//! A relay carries one TCP connection. Media over UDP would not be on it: the edge would send them to this balancer, and
//! expect them from it. So whoever offers nothing but UDP is told here that it is not to be had, and comes again with
//! TCP; clients that have the choice do so on the same connection. The first `SETUP` that can work opens the gate, and
//! from then on nobody looks at what passes, nor when it is something that is not understood: that is for the ends to
//! judge.

use super::limits::Limits;
use super::method::Method;
use super::request::{HeadScan, Request, find_content_length};
use super::respond::{self, Connection, Status};
use super::transport::Offer;

/// Both ways between a client and its edge.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    from_client: Way,
    from_edge: Way,
    /// Requests that went to the edge and have no answer yet: what is answered here has to wait for theirs.
    unanswered: usize,
    /// The head that `from_client` holds is a `SETUP` that is refused here.
    refuses: bool,
    is_open: bool,
}

/// One of the two ways.
#[derive(Debug, Default)]
struct Way {
    /// A head that is not complete, or not let through; at most [`Limits::head`] bytes.
    head: Vec<u8>,
    /// How far the end of the head has been looked for.
    scan: HeadScan,
    /// Bytes of a body still to come.
    body: usize,
}

/// What a way holds after some more bytes.
enum Held {
    /// The beginning of a head at most.
    Part,
    /// A whole head.
    Head,
    /// Something that is no message.
    Unclear,
}

impl Gate {
    /// A gate that is closed, on both sides of which nothing was said.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            from_client: Way::default(),
            from_edge: Way::default(),
            unanswered: 0,
            refuses: false,
            is_open: false,
        }
    }

    /// Whether everything passes from now on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the edge has to say something before more of the client's is taken in.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.refuses && self.edge_owes() && !self.is_open
    }

    /// Whether the edge has requests to answer, or an answer to end.
    fn edge_owes(&self) -> bool {
        self.unanswered > 0 || self.from_edge.body > 0
    }

    /// Takes in what the client says, and appends what the edge is to get, and what the client is answered here.
    ///
    /// While the gate [is waiting](Self::is_waiting), input is left: it is to be given again once the edge has spoken.
    /// `date` is as [`respond`] asks.
    pub fn client_says(&mut self, input: &mut &[u8], date: &str, to_edge: &mut Vec<u8>, to_client: &mut Vec<u8>) {
        while !self.is_open {
            if self.refuses {
                if self.edge_owes() {
                    return;
                }
                self.refuse(date, to_client);
            }
            match self.from_client.take(input, &self.limits, to_edge) {
                Held::Part => return,
                Held::Head => self.judge(to_edge),
                Held::Unclear => self.is_open = true,
            }
        }
        self.from_client.pass(to_edge);
        to_edge.extend_from_slice(input);
        *input = &[];
        // Whoever opened the gate, the edge may be in the midst of a message.
        self.from_edge.pass(to_client);
    }

    /// Takes in what the edge says, and appends what the client is to get. All input is consumed.
    pub fn edge_says(&mut self, input: &mut &[u8], to_client: &mut Vec<u8>) {
        while !self.is_open {
            match self.from_edge.take(input, &self.limits, to_client) {
                Held::Part => return,
                Held::Head => {
                    let head = &self.from_edge.head;
                    if is_answer(head) && !head.starts_with(b"RTSP/1.0 1") {
                        self.unanswered = self.unanswered.saturating_sub(1);
                    }
                    self.from_edge.body = find_content_length(head);
                    self.from_edge.pass(to_client);
                }
                Held::Unclear => self.is_open = true,
            }
        }
        self.from_edge.pass(to_client);
        to_client.extend_from_slice(input);
        *input = &[];
    }

    /// One end has said all that it will: nobody looks any more at what the other says, and what is held passes, but for a
    /// `SETUP` that is refused. Gives what the edge is to get, and what the client is to get.
    #[must_use]
    pub fn into_held(self) -> (Vec<u8>, Vec<u8>) {
        let from_client = if self.refuses { Vec::new() } else { self.from_client.head };
        (from_client, self.from_edge.head)
    }

    /// The bytes that are kept from one call to the next: at most twice [`Limits::head`].
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.from_client.head.len() + self.from_edge.head.len()
    }

    /// Lets a head of the client's pass, or not.
    fn judge(&mut self, to_edge: &mut Vec<u8>) {
        let way = &mut self.from_client;
        if is_answer(&way.head) {
            way.body = find_content_length(&way.head);
            return way.pass(to_edge);
        }
        let Ok(request) = Request::from_head(&way.head, &self.limits) else {
            self.is_open = true;
            return;
        };
        let is_setup = request.method == Method::Setup;
        way.body = request.content_length;
        if is_setup {
            match Offer::of(&way.head) {
                // No client sends it with a body: whatever that is, the edge may have it.
                Offer::Misfits if way.body == 0 => {
                    self.refuses = true;
                    return;
                }
                Offer::FitsAs(head) => way.head = head,
                Offer::Fits | Offer::Misfits => {}
            }
            self.is_open = true;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        way.pass(to_edge);
    }

    /// Answers the `SETUP` that is held.
    fn refuse(&mut self, date: &str, to_client: &mut Vec<u8>) {
        let head = std::mem::take(&mut self.from_client.head);
        // It was parsed when it was held.
        let cseq = Request::from_head(&head, &self.limits).ok().map(|request| request.cseq);
        respond::status(to_client, Status::UnsupportedTransport, cseq, date, Connection::Open);
        self.refuses = false;
    }
}

impl Way {
    /// Takes bytes off `input` up to the end of a head. What is no head is appended to `output`.
    fn take(&mut self, input: &mut &[u8], limits: &Limits, output: &mut Vec<u8>) -> Held {
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
            None => return Held::Part,
            // A frame, which there is no reason to send before anything is set up.
            Some(b'$') => return Held::Unclear,
            Some(_) => {}
        }
        let before = self.head.len();
        let (taken, rest) = input.split_at(input.len().min(limits.head - before));
        self.head.extend_from_slice(taken);
        match self.scan.advance(&self.head, limits) {
            Ok(Some(end)) => {
                self.scan = HeadScan::default();
                self.head.truncate(end);
                *input = &input[end - before..];
                Held::Head
            }
            Ok(None) => {
                *input = rest;
                Held::Part
            }
            Err(_) => {
                *input = rest;
                Held::Unclear
            }
        }
    }

    /// Appends what is held.
    fn pass(&mut self, output: &mut Vec<u8>) {
        output.append(&mut self.head);
    }
}

/// Whether a head is that of an answer, and not of a request: both ends may ask (RFC 2326 section 1.4).
fn is_answer(head: &[u8]) -> bool {
    head.starts_with(b"RTSP/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";
    const ANNOUNCE: &str = "ANNOUNCE rtsp://lb/live/x RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    const OVER_UDP: &str = "SETUP rtsp://lb/live/x/0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;client_port=5-6\r\n\r\n";
    const OVER_TCP: &str =
        "SETUP rtsp://lb/live/x/0 RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";
    const OK: &str = "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n";
    const FRAME: &str = "$\0\0\x0412\r\n\r\n";

    /// A gate and what has passed it.
    #[derive(Debug)]
    struct Passed {
        gate: Gate,
        left: Vec<u8>,
        to_edge: Vec<u8>,
        to_client: Vec<u8>,
    }

    impl Passed {
        fn nothing() -> Self {
            let gate = Gate::new(Limits::default());
            Self { gate, left: Vec::new(), to_edge: Vec::new(), to_client: Vec::new() }
        }

        fn client(&mut self, bytes: &[u8]) -> &mut Self {
            self.left.extend_from_slice(bytes);
            let mut input = &self.left[..];
            self.gate.client_says(&mut input, DATE, &mut self.to_edge, &mut self.to_client);
            self.left = input.to_vec();
            assert!(self.left.is_empty() || self.gate.is_waiting());
            self
        }

        fn edge(&mut self, bytes: &[u8]) -> &mut Self {
            let mut input = bytes;
            self.gate.edge_says(&mut input, &mut self.to_client);
            assert!(input.is_empty());
            self.client(b"")
        }

        fn says(&self) -> (&str, &str) {
            (str::from_utf8(&self.to_edge).unwrap(), str::from_utf8(&self.to_client).unwrap())
        }
    }

    fn unsupported(cseq: u64) -> String {
        format!(
            "RTSP/1.0 461 Unsupported Transport\r\nCSeq: {cseq}\r\nDate: {DATE}\r\nServer: Weir\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn what_is_held_when_one_end_falls_silent_is_passed_on_but_no_refused_setup() {
        let held = |client: &str, edge: &str| {
            let mut passed = Passed::nothing();
            passed.client(ANNOUNCE.as_bytes()).client(client.as_bytes()).edge(edge.as_bytes());
            let (to_edge, to_client) = passed.gate.into_held();
            [to_edge, to_client].map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(held("OPTIO", "RTSP/1.0 200 O"), ["OPTIO", "RTSP/1.0 200 O"]);
        assert_eq!(held(OVER_UDP, "RTSP/1.0 200 O"), ["", "RTSP/1.0 200 O"]);
        assert_eq!(held(OVER_TCP, "RTSP/1.0 200 O"), ["", ""], "nothing is held when the gate is open");
    }

    #[test]
    fn who_publishes_over_tcp_passes_and_the_first_setup_opens() {
        let mut passed = Passed::nothing();
        passed.client(ANNOUNCE.as_bytes()).edge(OK.as_bytes());
        assert!(!passed.gate.is_open());
        passed.client(OVER_TCP.as_bytes());
        assert!(passed.gate.is_open());
        passed.client(FRAME.as_bytes());
        assert_eq!(passed.says(), (&*format!("{ANNOUNCE}{OVER_TCP}{FRAME}"), OK));
    }

    #[test]
    fn who_offers_nothing_but_udp_is_told_here_and_may_come_again() {
        let mut passed = Passed::nothing();
        passed.client(ANNOUNCE.as_bytes()).edge(OK.as_bytes()).client(OVER_UDP.as_bytes());
        assert!(!passed.gate.is_open());
        passed.client(OVER_TCP.as_bytes());
        assert!(passed.gate.is_open());
        assert_eq!(passed.says(), (&*format!("{ANNOUNCE}{OVER_TCP}"), &*format!("{OK}{}", unsupported(3))));
    }

    #[test]
    fn the_edge_answers_first_what_was_asked_first() {
        let mut passed = Passed::nothing();
        passed.client([ANNOUNCE, OVER_UDP, OVER_TCP].concat().as_bytes());
        assert!(passed.gate.is_waiting());
        assert_eq!(passed.says(), (ANNOUNCE, ""));
        passed.edge(b"RTSP/1.0 100 Continue\r\nCSeq: 2\r\n\r\n");
        assert!(passed.gate.is_waiting(), "that was not the answer");
        passed.edge(OK.as_bytes());
        let (to_edge, to_client) = passed.says();
        assert_eq!(to_edge, [ANNOUNCE, OVER_TCP].concat());
        assert!(to_client.ends_with(&[OK, &unsupported(3)].concat()), "{to_client}");
    }

    #[test]
    fn an_edge_that_is_interrupted_by_the_opening_is_heard_to_the_end() {
        let mut passed = Passed::nothing();
        let (start, end) = OK.split_at(9);
        passed.client(ANNOUNCE.as_bytes()).edge(start.as_bytes()).client(OVER_TCP.as_bytes());
        assert!(passed.gate.is_open());
        assert_eq!(passed.says().1, start);
        passed.edge(end.as_bytes());
        assert_eq!(passed.says().1, OK);
    }

    #[test]
    fn an_answer_of_the_edge_is_not_interrupted_by_a_refusal() {
        let mut passed = Passed::nothing();
        let answer = "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 4\r\n\r\n";
        passed.client([ANNOUNCE, OVER_UDP].concat().as_bytes()).edge(answer.as_bytes()).edge(b"bo").edge(b"dy");
        assert_eq!(passed.says().1, [answer, "body", &unsupported(3)].concat());
    }

    #[test]
    fn of_an_offer_of_both_the_edge_sees_what_fits() {
        let mut passed = Passed::nothing();
        let both = OVER_UDP.replace("client_port=5-6", "client_port=5-6,RTP/AVP/TCP;interleaved=0-1");
        passed.client(both.as_bytes());
        assert_eq!(passed.says(), (&*OVER_TCP.replace("CSeq: 4", "CSeq: 3"), ""));
    }

    #[test]
    fn the_edge_may_ask_too() {
        let mut passed = Passed::nothing();
        let asks = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
        passed.client(ANNOUNCE.as_bytes()).edge(asks.as_bytes()).client(OK.as_bytes()).client(OVER_UDP.as_bytes());
        assert!(passed.gate.is_waiting(), "the client's ANNOUNCE is not answered");
        assert_eq!(passed.says(), (&*format!("{ANNOUNCE}{OK}"), asks));
    }

    #[test]
    fn what_is_not_understood_opens() {
        for bytes in [FRAME, "nonsense\r\n\r\n", "SETUP * RTSP/1.0\r\n\r\n", &"x".repeat(20_000)] {
            let mut passed = Passed::nothing();
            passed.client(bytes.as_bytes());
            assert!(passed.gate.is_open());
            assert_eq!(passed.says(), (bytes, ""));
        }
        for bytes in [FRAME, &"x".repeat(20_000)] {
            let mut passed = Passed::nothing();
            passed.client([ANNOUNCE, OVER_UDP, OVER_TCP].concat().as_bytes()).edge(bytes.as_bytes());
            assert!(passed.gate.is_open());
            assert_eq!(passed.says(), (&*[ANNOUNCE, OVER_UDP, OVER_TCP].concat(), bytes));
        }
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            3 => prop::sample::select(vec![ANNOUNCE, OVER_UDP, OVER_TCP, OK, "\r\n"]).prop_map(Into::into),
            1 => "[A-Z]{1,9} [ -~]{1,9}( RTSP/1.0)?\r?\n(CSeq: 1\r?\n)?([A-Za-z-]{1,7}: ?[ -~]{0,9}\r?\n){0,3}\n"
                .prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ]
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter_and_little_is_kept(
            client in prop::collection::vec(message(), 0..5),
            edge in prop::collection::vec(message(), 0..3),
            size in 1_usize..40,
        ) {
            let (client, edge) = (client.concat(), edge.concat());
            let mut whole = Passed::nothing();
            whole.client(&client).edge(&edge);
            let mut pieced = Passed::nothing();
            for piece in client.chunks(size) {
                pieced.client(piece);
                prop_assert!(pieced.gate.buffered() <= 2 * Limits::default().head);
            }
            for piece in edge.chunks(size) {
                pieced.edge(piece);
            }
            // An edge that speaks out of turn may open the gate earlier, or later, between two pieces.
            if !whole.gate.is_open() && !pieced.gate.is_open() {
                prop_assert_eq!(&whole.to_edge, &pieced.to_edge);
                prop_assert_eq!(whole.says_without_refusals(), pieced.says_without_refusals());
            }
        }
    }

    impl Passed {
        /// What the client is told by the edge. When it is refused something in between depends on when the edge speaks.
        fn says_without_refusals(&self) -> Vec<u8> {
            let refusal = unsupported(3);
            let mut left = &self.to_client[..];
            let mut kept = Vec::new();
            while let Some(&byte) = left.first() {
                left = left.strip_prefix(refusal.as_bytes()).unwrap_or_else(|| {
                    kept.push(byte);
                    &left[1..]
                });
            }
            kept
        }
    }
}
