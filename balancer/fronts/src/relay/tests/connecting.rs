//! Which edge a client is connected to, and how.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use weir_fleet::testing::report;
use weir_fleet::{Protocol, Refusal};

use super::fixtures::{
    Session, closed_edge, connected, edge, edge_at, edge_of, front, front_with, relay, relayed, relayed_with, request,
    total,
};
use crate::client::Client;
use crate::fixtures::CLIENT;
use crate::proxy_protocol::{Addresses, Parsed, parse};
use crate::redirect::RequestedUrl;
use crate::relay::{Error, Relay, RelaySessions, connect, connect_assigned, connect_with};
use crate::settings::{OverflowTarget, ProxyProtocol, Relay as Settings};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::tls;

const LOCAL: SocketAddr = CLIENT.address;

#[tokio::test]
async fn an_edge_that_refuses_the_connection_is_skipped_and_not_counted() {
    let (listener, report) = edge().await;
    let mut busy = report;
    busy.load.connections = Some(500);
    let front = front(&[closed_edge().await, closed_edge().await, busy], Settings::default());
    let upstream = connected(&front, LOCAL).await.unwrap();
    assert_eq!(upstream.assignment.edge().unwrap().id, edge_of(&front, 3).id);
    listener.accept().await.unwrap();
    assert_eq!([1, 2, 3].map(|number| edge_of(&front, number).load.assignments()), [0, 0, 1]);
    let metrics = front.metrics().render();
    assert!(metrics.contains("weir_assignments_total{protocol=\"rtmp\",reason=\"policy\"} 1\n"), "{metrics}");
    assert!(metrics.contains("weir_relay_connect_failures_total{reason=\"refused\"} 2\n"), "{metrics}");

    // For the next client those two are skipped, although they are idle.
    connected(&front, LOCAL).await.unwrap();
    assert!(front.metrics().render().contains("weir_relay_connect_failures_total{reason=\"refused\"} 2\n"));
    assert_eq!((total(&front).sessions, total(&front).sessions_total), (1, 4));
}

#[tokio::test]
async fn an_edge_that_declines_one_client_is_not_skipped_for_others() {
    let (listener, report) = edge().await;
    let (_other, mut busy) = edge().await;
    busy.load.connections = Some(500);
    let front = front(&[report, busy], Settings::default());
    let declining = listener.local_addr().unwrap();
    let greet = |stream: Stream| async move {
        let Stream::Plain(socket) = stream else { panic!() };
        let stream = socket.into_registered().unwrap();
        let is_declining = stream.peer_addr().unwrap() == declining;
        let stream = Stream::Plain(Socket::registered(stream));
        let error = std::io::ErrorKind::UnexpectedEof;
        if is_declining { Err(Error::Declined(error.into())) } else { Ok((stream, ())) }
    };
    let (upstream, ()) =
        connect_with(&front, CLIENT, request(CLIENT.requested_url(Protocol::Rtmp), LOCAL), greet).await.unwrap();
    assert_eq!(upstream.assignment.edge().unwrap().id, edge_of(&front, 2).id, "another edge accepts the client");
    assert!(front.metrics().render().contains("weir_relay_connect_failures_total{reason=\"declined\"} 1\n"));
    let upstream = connected(&front, LOCAL).await.unwrap();
    assert_eq!(upstream.assignment.edge().unwrap().id, edge_of(&front, 1).id, "the next client is connected to it");
}

#[tokio::test]
async fn a_client_cannot_choose_the_port_on_the_edge() {
    let (front_door, back_door) = (edge().await.0, edge().await.0);
    // Without an advertised endpoint, the edge is assumed to serve the port of the listener.
    let mut silent = report();
    silent.redirect = weir_protocol::Host::new("127.0.0.1").ok();
    let front = front(&[silent], Settings::default());
    let [listener_port, requested_port] =
        [&front_door, &back_door].map(|listener| listener.local_addr().unwrap().port());
    let client = Client { listener_port, ..CLIENT };
    let requested =
        RequestedUrl { scheme: "rtmps", port: Some(requested_port), ..client.requested_url(Protocol::Rtmp) };
    connect(&front, client, request(requested, LOCAL)).await.unwrap();
    front_door.accept().await.unwrap();
}

#[tokio::test]
async fn a_client_whose_assigned_edge_is_unreachable_is_connected_to_another() {
    let (listener, mut report) = edge().await;
    report.load.connections = Some(500);
    let front = front(&[closed_edge().await, report], Settings::default());
    let requested = CLIENT.requested_url(Protocol::Rtmp);
    let assignment = front.assign(CLIENT, Protocol::Rtmp, Some(Protocol::Rtmp), None).unwrap();
    assert_eq!(assignment.edge().unwrap().id, edge_of(&front, 1).id);
    let upstream = connect_assigned(&front, CLIENT, assignment, request(requested, LOCAL)).await.unwrap();
    assert_eq!(upstream.assignment.edge().unwrap().id, edge_of(&front, 2).id);
    listener.accept().await.unwrap();
    assert_eq!([1, 2].map(|number| edge_of(&front, number).load.assignments()), [0, 1]);
}

#[tokio::test]
async fn the_number_of_attempts_is_limited() {
    let reports = [closed_edge().await, closed_edge().await, closed_edge().await];
    let front =
        front(&reports, Settings { attempts: 2, retry_unreachable_after: Duration::ZERO, ..Settings::default() });
    assert_eq!(connected(&front, LOCAL).await.unwrap_err(), Refusal::Unreachable);
    let metrics = front.metrics().render();
    assert!(metrics.contains("weir_relay_connect_failures_total{reason=\"refused\"} 2\n"), "{metrics}");
    assert!(metrics.contains("weir_refusals_total{protocol=\"rtmp\",reason=\"refused-unreachable\"} 1\n"), "{metrics}");
    assert_eq!(total(&front).sessions, 0);
}

#[tokio::test]
async fn an_unreachable_edge_is_tried_again_when_there_is_no_other() {
    let front = front(&[closed_edge().await], Settings { attempts: 1, ..Settings::default() });
    for tried in 1..=2 {
        assert_eq!(connected(&front, LOCAL).await.unwrap_err(), Refusal::Unreachable);
        let counted = format!("weir_relay_connect_failures_total{{reason=\"refused\"}} {tried}\n");
        assert!(front.metrics().render().contains(&counted), "{counted}");
    }
}

#[tokio::test]
async fn an_edge_that_does_not_respond_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = edge_at("rtmps", "127.0.0.1", listener.local_addr().unwrap().port());
    // TCP connects; TLS never does.
    let connect_timeout = Duration::from_millis(50);
    let front = front(&[silent], Settings { connect_timeout, attempts: 1, ..Settings::default() });
    assert_eq!(connected(&front, LOCAL).await.unwrap_err(), Refusal::Unreachable);
    assert!(front.metrics().render().contains("weir_relay_connect_failures_total{reason=\"timeout\"} 1\n"));
}

#[tokio::test]
async fn a_client_beyond_the_session_limit_is_refused() {
    let (_listener, report) = edge().await;
    let front = front(&[report], Settings { sessions: 1, ..Settings::default() });
    let first = connected(&front, LOCAL).await.unwrap();
    assert_eq!(connected(&front, LOCAL).await.unwrap_err(), Refusal::RelayFull);
    assert_eq!(edge_of(&front, 1).load.assignments(), 1);
    drop(first);
    assert!(connected(&front, LOCAL).await.is_ok());
}

#[tokio::test]
async fn an_edge_at_a_listener_of_the_balancer_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let front = front_with(&[edge_at("rtmp", "127.0.0.1", here.port())], |shared| shared.listening = vec![here]);
    assert_eq!(connected(&front, here).await.unwrap_err(), Refusal::Unreachable);
    assert!(front.metrics().render().contains("weir_relay_connect_failures_total{reason=\"loop\"} 1\n"));
}

#[tokio::test]
async fn a_client_that_no_edge_can_take_is_relayed_to_the_overflow_target() {
    let (listener, _) = edge().await;
    let url = format!("rtmp://{}", listener.local_addr().unwrap());
    let overflow: OverflowTarget = url.parse().unwrap();
    let protocols = [overflow.protocol()];
    let front = front_with(&[], |shared| {
        shared.selector = Arc::new(weir_fleet::Selector::new(weir_fleet::FleetSettings::default(), protocols));
        shared.overflow = vec![Arc::new(overflow)];
    });
    let (mut client, _task) = relayed_with(&front, b"connect", b"").await;
    let (mut edge, _) = listener.accept().await.unwrap();
    let mut received = [0; 7];
    edge.read_exact(&mut received).await.unwrap();
    edge.write_all(b"accepted").await.unwrap();
    let mut answer = [0; 8];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!((&received, &answer), (b"connect", b"accepted"));
}

#[tokio::test]
async fn the_edge_receives_the_client_s_address_first() {
    let received_with = |settings| async {
        let (listener, report) = edge().await;
        let front = front(&[report], settings);
        let (_client, _task) = relayed_with(&front, b"connect", b"").await;
        let (mut edge, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"connect") {
            assert!(edge.read_buf(&mut received).await.unwrap() > 0, "{received:?}");
        }
        received
    };
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let received = received_with(Settings { proxy_protocol: Some(version), ..Settings::default() }).await;
        let Parsed::Complete { addresses: Some(Addresses { source, .. }), length, .. } = parse(&received) else {
            panic!("{received:?}");
        };
        assert_eq!((source, &received[length..]), (CLIENT.address, b"connect".as_slice()));
        assert_eq!(received.starts_with(b"PROXY"), version == ProxyProtocol::V1);
    }
    assert_eq!(received_with(Settings::default()).await, b"connect");
}

/// An edge that serves RTMPS, and a front that trusts its certificate.
struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    front: Arc<crate::Front>,
}

impl Secure {
    async fn start(host: &'static str, settings: Settings) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()]).unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authorities = folder.path().join("edges.pem");
        fs::write(&authorities, cert.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let report = edge_at("rtmps", "127.0.0.1", listener.local_addr().unwrap().port());
        let front = front_with(&[report], |shared| {
            let edge_tls = tls::edge::client_config(Some(&authorities)).unwrap();
            shared.relay = Relay::new(settings, edge_tls, Arc::new(RelaySessions::new(10)));
        });
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), front }
    }
}

#[tokio::test]
async fn an_edge_over_tls_receives_the_client_s_address_ahead_of_tls() {
    const BULK: usize = 3 * 1024 * 1024;

    let settings = Settings { proxy_protocol: Some(ProxyProtocol::V1), ..Settings::default() };
    let Secure { listener, acceptor, front } = Secure::start("127.0.0.1", settings).await;
    let (client, task) = relayed(&front).await;
    let (mut edge, _) = listener.accept().await.unwrap();
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n") {
        header.push(edge.read_u8().await.unwrap());
    }
    assert!(header.starts_with(b"PROXY TCP4 127.0.0.1 "), "{header:?}");

    let edge = acceptor.accept(edge).await.unwrap();
    let (mut from_client, mut to_client) = tokio::io::split(edge);
    let (mut from_edge, mut to_edge) = client.into_split();
    let pattern = |salt: usize| -> Vec<u8> { (0..BULK).map(|index| (index * salt % 251) as u8).collect() };
    let send_up = async {
        to_edge.write_all(&pattern(3)).await.unwrap();
        to_edge.shutdown().await.unwrap();
    };
    let send_down = async {
        to_client.write_all(&pattern(7)).await.unwrap();
        to_client.shutdown().await.unwrap();
    };
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (_, _, came_up, came_down) =
        tokio::join!(send_up, send_down, from_client.read_to_end(&mut up), from_edge.read_to_end(&mut down));
    assert_eq!((came_up.unwrap(), came_down.unwrap()), (BULK, BULK));
    assert!(up == pattern(3) && down == pattern(7));
    task.await.unwrap();
    let total = total(&front);
    assert_eq!((total.bytes_to_edge, total.bytes_to_client), (BULK as u64, BULK as u64));
}

#[tokio::test]
async fn an_edge_with_another_host_s_certificate_is_not_trusted() {
    let Secure { listener, acceptor, front } = Secure::start("another.example.com", Settings::default()).await;
    let (outcome, _) = tokio::join!(connected(&front, LOCAL), async {
        let (edge, _) = listener.accept().await.unwrap();
        acceptor.accept(edge).await.map(drop)
    });
    assert_eq!(outcome.unwrap_err(), Refusal::Unreachable);
    assert!(front.metrics().render().contains("weir_relay_connect_failures_total{reason=\"tls\"} 1\n"));
}

#[tokio::test]
async fn an_endpoint_that_tunnels_rtmp_is_not_relayed_to() {
    let (listener, mut report) = edge().await;
    report.endpoints.insert(0, weir_protocol::report::Endpoint::new("rtmpt", 1));
    let front = front(&[report], Settings::default());
    connected(&front, LOCAL).await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn a_session_is_counted_until_it_ends() {
    let Session { front, client, edge, task } = Session::open_on(|shared| {
        shared.relay = relay(Settings::default());
    })
    .await;
    assert_eq!(total(&front).sessions, 1);
    drop((client, edge));
    task.await.unwrap();
    assert_eq!((total(&front).sessions, total(&front).sessions_total), (0, 1));
}
