//! Probes over real sockets on loopback.

mod programs;
mod protocols;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::failure::Phase;

/// Time limit for everything that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Parses a check as it is configured.
fn check(text: &str) -> Check {
    let check: Check = toml::from_str(text).unwrap();
    if text.contains("timeout") { check } else { Check { timeout: PATIENCE, ..check } }
}

async fn probe_with(target: SocketAddr, text: &str) -> Result<(), Failure> {
    probe(target, &check(text), ProbeOptions::default()).await
}

/// A port without a listener.
fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn the_authority_is_host_or_address_and_a_port_unless_it_is_the_default() {
    for (host, target, expected) in [
        (None, "10.0.0.1:80", "10.0.0.1"),
        (None, "10.0.0.1:8080", "10.0.0.1:8080"),
        (None, "[2001:db8::1]:80", "[2001:db8::1]"),
        (Some("m.example"), "10.0.0.1:8080", "m.example:8080"),
        (Some("2001:db8::2"), "10.0.0.1:8080", "[2001:db8::2]:8080"),
    ] {
        assert_eq!(authority(host, target.parse().unwrap(), 80), expected);
    }
}

#[tokio::test]
async fn a_closed_port_refuses_the_connection() {
    for kind in ["tcp", "rtsp", "http", "rtmp"] {
        assert_eq!(probe_with(closed_port(), &format!("kind = \"{kind}\"")).await, Err(Failure::Refused), "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_a_connection_and_stays_silent_times_out() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    assert_eq!(probe_with(target, "kind = \"tcp\"").await, Ok(()));
    for (kind, phase) in [
        ("kind = \"rtsp\"", Phase::Response),
        ("kind = \"http\"", Phase::Response),
        ("kind = \"rtmp\"", Phase::Response),
        ("kind = \"tcp\"\nreceive = \"x\"", Phase::Response),
        ("kind = \"tcp\"\ntls = true", Phase::Tls),
    ] {
        let outcome = probe_with(target, &format!("{kind}\ntimeout = \"200ms\"")).await;
        assert_eq!(outcome, Err(Failure::Timeout(phase)), "{kind}");
    }
}

#[tokio::test]
async fn a_probe_has_the_given_source_address() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let from = |source: &str| ProbeOptions { source: Some(source.parse().unwrap()), ..ProbeOptions::default() };
    assert_eq!(probe(target, &check(""), from("127.0.0.2")).await, Ok(()));
    let (_, client) = listener.accept().await.unwrap();
    assert_eq!(client.ip(), Ipv4Addr::new(127, 0, 0, 2));
    // An address that this machine does not have, and one of the other family.
    for source in ["192.0.2.1", "::1"] {
        let outcome = probe(target, &check(""), from(source)).await;
        assert!(matches!(&outcome, Err(Failure::Local(why)) if why.contains(source)), "{outcome:?}");
    }
}

#[tokio::test]
async fn packets_are_marked_or_the_failure_names_the_missing_capability() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let outcome = probe(target, &check(""), ProbeOptions { mark: Some(0x5700_0001), ..ProbeOptions::default() }).await;
    let is_refused = matches!(&outcome, Err(Failure::Local(why)) if why.contains("CAP_NET_ADMIN"));
    assert!(outcome == Ok(()) || is_refused, "{outcome:?}");
    let seven = ProbeOptions { mark: Some(7), ..ProbeOptions::default() };
    let socket = socket::open(target, socket2::Type::DGRAM, seven);
    assert!(socket.is_err() || socket.is_ok_and(|socket| socket.mark().unwrap() == 7));
}
