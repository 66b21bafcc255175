//! Clients as they come in: those that take no answer, have said all, or come through a proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use weir_fleet::testing::report;

use super::accept;
use crate::certificate::tests::{shown, trusting};
use crate::listener;
use crate::settings::Listener;
use crate::tests::front_configured;
use crate::{Front, Shared};

/// How long a client has to take an answer in these tests, and to decide: long enough that all buffers are full before.
const LIMIT: Duration = Duration::from_secs(1);
/// When it is closed at the latest, on a machine that tests keep busy: without a limit it never is.
const CLOSED: Duration = Duration::from_secs(20);

/// Requests that can be answered as they stand, …
const SIMPLE: &[u8] = b"GET /redirect/live/a HTTP/1.1\r\nHost: lb\r\n\r\n";
/// … that hyper takes, …
const LESS_SIMPLE: &[u8] = b"POST /redirect/live/a HTTP/1.1\r\nHost: lb\r\nContent-Length: 0\r\n\r\n";
/// … and of another protocol.
const RTSP: &[u8] = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";

/// Accepts clients on a free port of the loopback, as long as the test runs.
fn listen(configure: impl FnOnce(&mut Shared)) -> (SocketAddr, Arc<Front>) {
    listen_at(&Listener::at("127.0.0.1:0".parse().unwrap()), configure)
}

fn listen_at(listener: &Listener, configure: impl FnOnce(&mut Shared)) -> (SocketAddr, Arc<Front>) {
    let front = Arc::new(front_configured(&[report()], |shared| {
        shared.limits.decision_timeout = LIMIT;
        shared.limits.linger = LIMIT;
        shared.limits.rtsp.requests = 1_000_000;
        shared.limits.repeats.max = None;
        configure(shared);
    }));
    let bound = listener::bind(listener, 1).unwrap();
    let address = bound.address;
    for port in listener::by_worker(vec![bound], 1).into_iter().flatten() {
        tokio::spawn(accept(port, Arc::clone(&front)));
    }
    (address, front)
}

/// A client with little room for answers.
async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends requests and reads nothing, until the connection is closed.
async fn ask_for_ever(mut stream: impl AsyncWrite + Unpin, requests: impl Iterator<Item = Vec<u8>>) {
    let ask = async {
        for request in requests {
            stream.write_all(&request).await?;
        }
        io::Result::Ok(())
    };
    let outcome = timeout(CLOSED, ask).await.expect("the connection is closed");
    assert!(outcome.is_err(), "the connection is closed");
}

fn pipelined(request: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::repeat(request.repeat(100))
}

#[track_caller]
fn assert_counted(front: &Front, protocol: &str) {
    let counted = format!("weir_clients_rejected_total{{protocol=\"{protocol}\",reason=\"slow-reader\"}} 1\n");
    let metrics = front.metrics().render();
    assert!(metrics.contains(&counted), "{metrics}");
    assert!(metrics.contains("weir_client_connections 0\n"), "{metrics}");
}

#[tokio::test]
async fn who_takes_no_answers_is_closed_in_time_and_counted() {
    for (request, protocol) in [(SIMPLE, "http"), (LESS_SIMPLE, "http"), (RTSP, "rtsp")] {
        let (address, front) = listen(|_| {});
        ask_for_ever(connect(address).await, pipelined(request)).await;
        assert_counted(&front, protocol);
    }
}

#[tokio::test]
async fn so_is_who_takes_none_over_tls() {
    let certificate = rcgen::generate_simple_self_signed(["lb".to_owned()]).unwrap();
    for (request, protocol) in [(SIMPLE, "http"), (LESS_SIMPLE, "http"), (RTSP, "rtsp")] {
        let (address, front) = listen(|shared| shared.tls = Some(shown(&certificate)));
        let connector = TlsConnector::from(Arc::new(trusting(&certificate)));
        let name = ServerName::try_from("lb").unwrap();
        let stream = connector.connect(name, connect(address).await).await.unwrap();
        ask_for_ever(stream, pipelined(request)).await;
        assert_counted(&front, protocol);
    }
}

/// The preface of HTTP/2 and empty settings (RFC 9113 section 3.4), a GET, and then pings, each of which is answered.
fn over_http2() -> impl Iterator<Item = Vec<u8>> {
    let start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // Method, scheme and path from HPACK's static table, the path and the authority with values of their own (RFC 7541
    // appendix A).
    let get = b"\0\0\x19\x01\x05\0\0\0\x01\x82\x86\x44\x11/redirect/live/ab\x41\x02lb";
    let ping = b"\0\0\x08\x06\0\0\0\0\0weirweir";
    std::iter::once([&start[..], get].concat()).chain(pipelined(ping))
}

#[tokio::test]
async fn so_is_who_takes_none_over_http2() {
    let (address, front) = listen(|_| {});
    ask_for_ever(connect(address).await, over_http2()).await;
    // It has asked for nothing for too long, which is not counted.
    let metrics = front.metrics().render();
    assert!(metrics.contains("weir_client_connections 0\n"), "{metrics}");
    let served = "weir_assignments_total{protocol=\"http\",reason=\"policy\"} 1\n";
    assert!(metrics.contains(served), "{metrics}");
}

/// All that comes back to a client that says at once that it will say nothing more.
async fn answer_to_half_closed(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(CLOSED, stream.read_to_string(&mut answer)).await.expect("the connection is closed").unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_has_said_all_is_answered() {
    let (address, _front) = listen(|_| {});
    for request in [SIMPLE, LESS_SIMPLE] {
        let answer = answer_to_half_closed(TcpStream::connect(address).await.unwrap(), request).await;
        assert!(answer.starts_with("HTTP/1.1 30"), "{answer:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_each_client_counts_for_its_own_address() {
    let proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
    let listener = Listener { proxy_protocol_from, ..Listener::at("127.0.0.1:0".parse().unwrap()) };
    let (address, front) = listen_at(&listener, |shared| {
        shared.limits.decision_timeout = CLOSED;
        shared.limits.connections_per_address = 1;
    });
    let connect = async |client: &str, rest: &[u8]| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let header = format!("PROXY TCP4 {client} 192.0.2.1 12345 443\r\n");
        stream.write_all(&[header.as_bytes(), rest].concat()).await.unwrap();
        stream
    };
    let is_answered = async |mut stream: TcpStream| {
        let mut byte = [0];
        timeout(CLOSED, stream.read(&mut byte)).await.expect("an answer, or the end").is_ok_and(|length| length > 0)
    };
    // One request is answered, so that it is known to be served, and the other half of one is waited for.
    let mut first = connect("203.0.113.7", &[SIMPLE, b"GET"].concat()).await;
    assert!(first.read(&mut [0]).await.unwrap() > 0);
    assert!(!is_answered(connect("203.0.113.7", SIMPLE).await).await);
    assert!(is_answered(connect("203.0.113.8", SIMPLE).await).await);
    let counted = "weir_clients_rejected_total{protocol=\"unknown\",reason=\"too-many-from-address\"} 1\n";
    assert!(front.metrics().render().contains(counted));
    drop(first);
}

#[tokio::test]
async fn what_is_no_http_after_all_is_answered_and_counted() {
    let (address, front) = listen(|_| {});
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    for (request, status, reason) in [
        ("GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", "400", "bad-request"),
        ("GET /\u{7f} HTTP/1.1\r\n\r\n", "400", "bad-request"),
        (&many, "431", "head-too-long"),
    ] {
        let before = front.metrics().rejected("http", reason);
        let answer = answer_to_half_closed(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
        assert_eq!(front.metrics().rejected("http", reason), before + 1, "{reason}");
    }
}
