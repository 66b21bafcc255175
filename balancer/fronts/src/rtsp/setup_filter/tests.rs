//! Messages of clients and edges in every order.

use proptest::prelude::*;

use super::*;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";
const ANNOUNCE: &str = "ANNOUNCE rtsp://lb/live/x RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n";
const OVER_UDP: &str = "SETUP rtsp://lb/live/x/0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;client_port=5-6\r\n\r\n";
const OVER_TCP: &str = "SETUP rtsp://lb/live/x/0 RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";
const OK: &str = "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n";
const FRAME: &str = "$\0\0\x0412\r\n\r\n";

/// A filter and the bytes that have passed it.
#[derive(Debug)]
struct Exchange {
    filter: SetupFilter,
    /// The input that the filter has left.
    left: Vec<u8>,
    to_edge: Vec<u8>,
    to_client: Vec<u8>,
}

impl Exchange {
    fn new() -> Self {
        let filter = SetupFilter::new(Limits::default());
        Self { filter, left: Vec::new(), to_edge: Vec::new(), to_client: Vec::new() }
    }

    fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.left.extend_from_slice(bytes);
        let mut input = &self.left[..];
        self.filter.receive_from_client(&mut input, DATE, &mut self.to_edge, &mut self.to_client);
        self.left = input.to_vec();
        assert!(self.left.is_empty() || self.filter.awaits_edge());
        self
    }

    fn edge(&mut self, bytes: &[u8]) -> &mut Self {
        let mut input = bytes;
        self.filter.receive_from_edge(&mut input, &mut self.to_client);
        assert!(input.is_empty());
        self.client(b"")
    }

    fn output(&self) -> (&str, &str) {
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
fn buffered_bytes_pass_when_one_side_closes_except_a_rejected_setup() {
    let buffered = |client: &str, edge: &str| {
        let mut exchange = Exchange::new();
        exchange.client(ANNOUNCE.as_bytes()).client(client.as_bytes()).edge(edge.as_bytes());
        let (to_edge, to_client) = exchange.filter.into_buffered();
        [to_edge, to_client].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    assert_eq!(buffered("OPTIO", "RTSP/1.0 200 O"), ["OPTIO", "RTSP/1.0 200 O"]);
    assert_eq!(buffered(OVER_UDP, "RTSP/1.0 200 O"), ["", "RTSP/1.0 200 O"]);
    assert_eq!(buffered(OVER_TCP, "RTSP/1.0 200 O"), ["", ""], "nothing is buffered after the filter is done");
}

#[test]
fn the_first_setup_over_tcp_ends_the_filter() {
    let mut exchange = Exchange::new();
    exchange.client(ANNOUNCE.as_bytes()).edge(OK.as_bytes());
    assert!(!exchange.filter.is_done());
    exchange.client(OVER_TCP.as_bytes());
    assert!(exchange.filter.is_done());
    exchange.client(FRAME.as_bytes());
    assert_eq!(exchange.output(), (&*format!("{ANNOUNCE}{OVER_TCP}{FRAME}"), OK));
}

#[test]
fn a_setup_over_udp_alone_is_rejected_and_may_be_repeated_with_tcp() {
    let mut exchange = Exchange::new();
    exchange.client(ANNOUNCE.as_bytes()).edge(OK.as_bytes()).client(OVER_UDP.as_bytes());
    assert!(!exchange.filter.is_done());
    exchange.client(OVER_TCP.as_bytes());
    assert!(exchange.filter.is_done());
    assert_eq!(exchange.output(), (&*format!("{ANNOUNCE}{OVER_TCP}"), &*format!("{OK}{}", unsupported(3))));
}

#[test]
fn a_rejection_waits_for_the_responses_to_earlier_requests() {
    let mut exchange = Exchange::new();
    exchange.client([ANNOUNCE, OVER_UDP, OVER_TCP].concat().as_bytes());
    assert!(exchange.filter.awaits_edge());
    assert_eq!(exchange.output(), (ANNOUNCE, ""));
    exchange.edge(b"RTSP/1.0 100 Continue\r\nCSeq: 2\r\n\r\n");
    assert!(exchange.filter.awaits_edge(), "100 is not the final response");
    exchange.edge(OK.as_bytes());
    let (to_edge, to_client) = exchange.output();
    assert_eq!(to_edge, [ANNOUNCE, OVER_TCP].concat());
    assert!(to_client.ends_with(&[OK, &unsupported(3)].concat()), "{to_client}");
}

#[test]
fn a_response_that_is_incomplete_when_the_filter_ends_passes_completely() {
    let mut exchange = Exchange::new();
    let (start, end) = OK.split_at(9);
    exchange.client(ANNOUNCE.as_bytes()).edge(start.as_bytes()).client(OVER_TCP.as_bytes());
    assert!(exchange.filter.is_done());
    assert_eq!(exchange.output().1, start);
    exchange.edge(end.as_bytes());
    assert_eq!(exchange.output().1, OK);
}

#[test]
fn a_rejection_does_not_interrupt_a_response_of_the_edge() {
    let mut exchange = Exchange::new();
    let answer = "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 4\r\n\r\n";
    exchange.client([ANNOUNCE, OVER_UDP].concat().as_bytes()).edge(answer.as_bytes()).edge(b"bo").edge(b"dy");
    assert_eq!(exchange.output().1, [answer, "body", &unsupported(3)].concat());
}

#[test]
fn the_edge_receives_only_the_transports_over_tcp() {
    let mut exchange = Exchange::new();
    let both = OVER_UDP.replace("client_port=5-6", "client_port=5-6,RTP/AVP/TCP;interleaved=0-1");
    exchange.client(both.as_bytes());
    assert_eq!(exchange.output(), (&*OVER_TCP.replace("CSeq: 4", "CSeq: 3"), ""));
}

#[test]
fn the_edge_may_send_requests_too() {
    let mut exchange = Exchange::new();
    let request = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    exchange.client(ANNOUNCE.as_bytes()).edge(request.as_bytes()).client(OK.as_bytes()).client(OVER_UDP.as_bytes());
    assert!(exchange.filter.awaits_edge(), "the client's ANNOUNCE is not answered");
    assert_eq!(exchange.output(), (&*format!("{ANNOUNCE}{OK}"), request));
}

#[test]
fn an_invalid_message_ends_the_filter() {
    for bytes in [FRAME, "nonsense\r\n\r\n", "SETUP * RTSP/1.0\r\n\r\n", &"x".repeat(20_000)] {
        let mut exchange = Exchange::new();
        exchange.client(bytes.as_bytes());
        assert!(exchange.filter.is_done());
        assert_eq!(exchange.output(), (bytes, ""));
    }
    for bytes in [FRAME, &"x".repeat(20_000)] {
        let mut exchange = Exchange::new();
        exchange.client([ANNOUNCE, OVER_UDP, OVER_TCP].concat().as_bytes()).edge(bytes.as_bytes());
        assert!(exchange.filter.is_done());
        assert_eq!(exchange.output(), (&*[ANNOUNCE, OVER_UDP, OVER_TCP].concat(), bytes));
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
    fn fragments_do_not_matter_and_memory_stays_within_the_limit(
        client in prop::collection::vec(message(), 0..5),
        edge in prop::collection::vec(message(), 0..3),
        size in 1_usize..40,
    ) {
        let (client, edge) = (client.concat(), edge.concat());
        let mut whole = Exchange::new();
        whole.client(&client).edge(&edge);
        let mut fragmented = Exchange::new();
        for fragment in client.chunks(size) {
            fragmented.client(fragment);
            prop_assert!(fragmented.filter.buffered() <= 2 * Limits::default().head);
        }
        for fragment in edge.chunks(size) {
            fragmented.edge(fragment);
        }
        // An edge that sends messages out of turn may end the filter earlier or later, between two fragments.
        if !whole.filter.is_done() && !fragmented.filter.is_done() {
            prop_assert_eq!(&whole.to_edge, &fragmented.to_edge);
            prop_assert_eq!(whole.output_without_rejections(), fragmented.output_without_rejections());
        }
    }
}

impl Exchange {
    /// The edge's bytes for the client. When a rejection comes between them depends on the fragments of the edge.
    fn output_without_rejections(&self) -> Vec<u8> {
        let rejection = unsupported(3);
        let mut left = &self.to_client[..];
        let mut kept = Vec::new();
        while let Some(&byte) = left.first() {
            left = left.strip_prefix(rejection.as_bytes()).unwrap_or_else(|| {
                kept.push(byte);
                &left[1..]
            });
        }
        kept
    }
}
