//! Accepted clients: those that do not read their answers, close their direction, or are behind a proxy.

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
use crate::fixtures::front_configured;
use crate::settings::Listener;
use crate::tls::certificate::tests::{client_config, server_config};
use crate::{Front, Shared, listener};

/// Time limit for a request and for reading an answer in these tests: long enough for all buffers to fill.
const LIMIT: Duration = Duration::from_secs(1);
/// Time by which a connection must be closed, on a busy machine; without a limit it never is.
const CLOSED: Duration = Duration::from_secs(20);

/// A request on the fast path, …
const SIMPLE: &[u8] = b"GET /redirect/live/a HTTP/1.1\r\nHost: lb\r\n\r\n";
/// … one that hyper serves, …
const LESS_SIMPLE: &[u8] = b"POST /redirect/live/a HTTP/1.1\r\nHost: lb\r\nContent-Length: 0\r\n\r\n";
/// … and one of another protocol.
const RTSP: &[u8] = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";

/// Accepts clients on a free loopback port for the duration of the test.
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

/// A client with a small receive buffer.
async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends requests without reading until the connection is closed.
async fn flood(mut stream: impl AsyncWrite + Unpin, requests: impl Iterator<Item = Vec<u8>>) {
    let sending = async {
        for request in requests {
            stream.write_all(&request).await?;
        }
        io::Result::Ok(())
    };
    let outcome = timeout(CLOSED, sending).await.expect("the connection is closed");
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
async fn a_client_that_does_not_read_is_closed_in_time_and_counted() {
    for (request, protocol) in [(SIMPLE, "http"), (LESS_SIMPLE, "http"), (RTSP, "rtsp")] {
        let (address, front) = listen(|_| {});
        flood(connect(address).await, pipelined(request)).await;
        assert_counted(&front, protocol);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_over_tls_is_closed_in_time_and_counted() {
    let certificate = rcgen::generate_simple_self_signed(["lb".to_owned()]).unwrap();
    for (request, protocol) in [(SIMPLE, "http"), (LESS_SIMPLE, "http"), (RTSP, "rtsp")] {
        let (address, front) = listen(|shared| shared.tls = Some(server_config(&certificate)));
        let connector = TlsConnector::from(Arc::new(client_config(&certificate)));
        let name = ServerName::try_from("lb").unwrap();
        let stream = connector.connect(name, connect(address).await).await.unwrap();
        flood(stream, pipelined(request)).await;
        assert_counted(&front, protocol);
    }
}

/// The preface of HTTP/2 and empty settings (RFC 9113 section 3.4), a GET, and then pings, to each of which hyper
/// responds.
fn over_http2() -> impl Iterator<Item = Vec<u8>> {
    let start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // Names from HPACK's static table, with literal values for path and authority (RFC 7541 appendix A).
    let get = b"\0\0\x19\x01\x05\0\0\0\x01\x82\x86\x44\x11/redirect/live/ab\x41\x02lb";
    let ping = b"\0\0\x08\x06\0\0\0\0\0weirweir";
    std::iter::once([&start[..], get].concat()).chain(pipelined(ping))
}

#[tokio::test]
async fn a_client_that_does_not_read_over_http2_is_closed_in_time() {
    let (address, front) = listen(|_| {});
    flood(connect(address).await, over_http2()).await;
    // An idle connection is closed without being counted.
    let metrics = front.metrics().render();
    assert!(metrics.contains("weir_client_connections 0\n"), "{metrics}");
    let served = "weir_assignments_total{protocol=\"http\",reason=\"policy\"} 1\n";
    assert!(metrics.contains(served), "{metrics}");
}

/// The answer to a client that closes its direction right after the request.
async fn answer_to_half_closed(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(CLOSED, stream.read_to_string(&mut answer)).await.expect("the connection is closed").unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_closes_its_direction_is_answered() {
    let (address, _front) = listen(|_| {});
    for request in [SIMPLE, LESS_SIMPLE] {
        let answer = answer_to_half_closed(TcpStream::connect(address).await.unwrap(), request).await;
        assert!(answer.starts_with("HTTP/1.1 30"), "{answer:?}");
    }
}

#[tokio::test]
async fn clients_behind_a_proxy_count_for_their_own_addresses() {
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
        timeout(CLOSED, stream.read(&mut byte)).await.expect("an answer or the end").is_ok_and(|length| length > 0)
    };
    // After the answer to one request, this client is served and holds its permit while half of another is pending.
    let mut first = connect("203.0.113.7", &[SIMPLE, b"GET"].concat()).await;
    assert!(first.read(&mut [0]).await.unwrap() > 0);
    assert!(!is_answered(connect("203.0.113.7", SIMPLE).await).await);
    assert!(is_answered(connect("203.0.113.8", SIMPLE).await).await);
    let counted = "weir_clients_rejected_total{protocol=\"unknown\",reason=\"too-many-from-address\"} 1\n";
    assert!(front.metrics().render().contains(counted));
    drop(first);
}

#[tokio::test]
async fn an_invalid_http_request_is_answered_and_counted() {
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
