//! Behind a proxy, the PROXY protocol identifies the client. Only configured proxies may use it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::fetch;
use weir_tests::wait::{PATIENCE, until};

const FROM_LOOPBACK: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n";

/// A version 2 header for a client at 203.0.113.7 that connected to port 443 of 192.0.2.1.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\x30\x39\x01\xbb";
/// The same header in version 1.
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n";

/// Sends these parts and returns the answer.
fn answer(balancer: &Balancer, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(balancer.clients).expect("the balancer listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    // In parts, because a header can be split anywhere.
    for part in parts {
        stream.write_all(part).expect("the balancer reads");
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn the_header_identifies_the_client() {
    let balancer = Balancer::with_listeners(FROM_LOOPBACK);
    let agent = AgentBuilder::of(&balancer).start();
    // The server information is shown to private addresses, and the proxy has one.
    let is_running = || {
        let health_check = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        let page = answer(&balancer, &[health_check, b"GET /loadbalancer?serverInfoXML HTTP/1.0\r\n\r\n"]);
        page.contains("RUNNING")
    };
    until("the edge runs", PATIENCE, is_running);
    for header in [V1, V2] {
        let page = answer(&balancer, &[header, b"GET /loadbalancer?serverInfoXML HTTP/1.0\r\n\r\n"]);
        assert!(page.ends_with(&format!("\r\n\r\nredirect={}", agent.address)), "{page}");
        let (start, rest) = header.split_at(5);
        let redirect = answer(&balancer, &[start, rest, b"GET /redirect/live/a HTTP/1.0\r\n\r\n"]);
        // The port that the client connected to, which is the proxy's.
        assert!(redirect.contains(&format!("Location: http://{}:443/live/a\r\n", agent.address)), "{redirect}");
    }
    let with_curl = fetch(&balancer.url("http", "/loadbalancer"), &["--haproxy-protocol"]);
    assert_eq!(with_curl.body, format!("redirect={}", agent.address));
}

#[test]
fn configured_proxies_must_send_a_header_and_others_must_not() {
    let strict = Balancer::with_listeners(FROM_LOOPBACK);
    let open = Balancer::start();
    assert_eq!(answer(&strict, &[b"GET /loadbalancer HTTP/1.0\r\n\r\n"]), "");
    let rejected = || strict.metrics().sum("weir_clients_rejected_total", &[("reason", "proxy-protocol")]);
    until("it is counted", PATIENCE, || rejected() == 1.0);
    for header in [V1, V2] {
        assert_eq!(answer(&open, &[header, b"GET /loadbalancer HTTP/1.0\r\n\r\n"]), "");
    }
}
