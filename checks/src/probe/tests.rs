//! Real sockets on loopback.

mod asked;
mod server;
mod started;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::failure::Awaited;

/// Longer than any of these tests waits for something that comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A check as it stands in a configuration.
fn check(text: &str) -> Check {
    let check: Check = toml::from_str(text).unwrap();
    if text.contains("timeout") { check } else { Check { timeout: PATIENCE, ..check } }
}

async fn ask(target: SocketAddr, text: &str) -> Result<(), Failure> {
    probe(target, &check(text), ProbeOptions::default()).await
}

/// A port that nobody listens at.
fn nowhere() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_server_is_called_by_what_it_is_reached_at() {
    for (host, target, called) in [
        (None, "10.0.0.1:80", "10.0.0.1"),
        (None, "10.0.0.1:8080", "10.0.0.1:8080"),
        (None, "[2001:db8::1]:80", "[2001:db8::1]"),
        (Some("m.example"), "10.0.0.1:8080", "m.example:8080"),
        (Some("2001:db8::2"), "10.0.0.1:8080", "[2001:db8::2]:8080"),
    ] {
        assert_eq!(authority(host, target.parse().unwrap(), 80), called);
    }
}

#[tokio::test]
async fn nobody_listens() {
    for kind in ["tcp", "rtsp", "http", "rtmp"] {
        assert_eq!(ask(nowhere(), &format!("kind = \"{kind}\"")).await, Err(Failure::Refused), "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_takes_a_connection_and_says_nothing_is_given_up_in_time() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    assert_eq!(ask(target, "kind = \"tcp\"").await, Ok(()));
    for (kind, awaited) in [
        ("kind = \"rtsp\"", Awaited::Answer),
        ("kind = \"http\"", Awaited::Answer),
        ("kind = \"rtmp\"", Awaited::Answer),
        ("kind = \"tcp\"\nreceive = \"x\"", Awaited::Answer),
        ("kind = \"tcp\"\ntls = true", Awaited::Tls),
    ] {
        let outcome = ask(target, &format!("{kind}\ntimeout = \"200ms\"")).await;
        assert_eq!(outcome, Err(Failure::Timeout(awaited)), "{kind}");
    }
}

#[tokio::test]
async fn it_is_asked_from_the_address_that_is_given() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let from = |source: &str| ProbeOptions { source: Some(source.parse().unwrap()), ..ProbeOptions::default() };
    assert_eq!(probe(target, &check(""), from("127.0.0.2")).await, Ok(()));
    let (_, client) = listener.accept().await.unwrap();
    assert_eq!(client.ip(), Ipv4Addr::new(127, 0, 0, 2));
    // An address of no machine, and one of another family.
    for source in ["192.0.2.1", "::1"] {
        let outcome = probe(target, &check(""), from(source)).await;
        assert!(matches!(&outcome, Err(Failure::Ours(why)) if why.contains(source)), "{outcome:?}");
    }
}

#[tokio::test]
async fn datagrams_are_marked_or_it_is_said_what_that_takes() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let outcome = probe(target, &check(""), ProbeOptions { mark: Some(0x5700_0001), ..ProbeOptions::default() }).await;
    let is_refused = matches!(&outcome, Err(Failure::Ours(why)) if why.contains("CAP_NET_ADMIN"));
    assert!(outcome == Ok(()) || is_refused, "{outcome:?}");
    let seven = ProbeOptions { mark: Some(7), ..ProbeOptions::default() };
    let socket = socket::open(target, socket2::Type::DGRAM, seven);
    assert!(socket.is_err() || socket.is_ok_and(|socket| socket.mark().unwrap() == 7));
}
