//! Malicious clients get a clear answer or a closed connection, and do not affect other clients.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::ask;
use weir_tests::hostile::{Outcome, drip, flood, nested_connect};
use weir_tests::wait::{PATIENCE, until};

/// Number of concurrent attackers.
const ATTACKERS: usize = 8;
/// Maximum response time for legitimate clients, on a machine that is busy with tests.
const RESPONSE_TIME: Duration = Duration::from_secs(2);
/// The decision timeout in these tests, and the time by which a connection that exceeds it must be closed.
const CONFIG: &str = "[limits]\ndecision_timeout = \"1s\"\n";
const CLOSED_WITHIN: Duration = Duration::from_secs(4);
/// Memory that an attack may use: a quarter of a mebibyte per attacker, each of which sends more.
const MEMORY_KIB: u64 = ATTACKERS as u64 * 256;

fn setup() -> (Balancer, Agent) {
    let balancer = Balancer::with_config(CONFIG);
    let agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    // Allocations of the first request do not count as those of an attack.
    assert_eq!(ask(&balancer), agent.address.to_string());
    (balancer, agent)
}

/// Attacks from several threads, while legitimate clients send requests.
#[track_caller]
fn attack(attacker: impl Fn(SocketAddr) -> io::Result<Outcome> + Sync) -> Vec<Outcome> {
    let (balancer, agent) = setup();
    let memory = balancer.resident_kib();
    let outcomes = thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS).map(|_| scope.spawn(|| attacker(balancer.clients))).collect();
        until("the attackers finish", 3 * PATIENCE, || {
            let asked = Instant::now();
            assert_eq!(ask(&balancer), agent.address.to_string());
            assert!(asked.elapsed() < RESPONSE_TIME, "a legitimate client waited for {:?}", asked.elapsed());
            attackers.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        attackers
            .into_iter()
            .map(|attacker| attacker.join().expect("the attacker ends").expect("it connects"))
            .collect()
    });
    assert!(!balancer.process.has_ended());
    let grown = balancer.resident_kib().saturating_sub(memory);
    assert!(grown < MEMORY_KIB, "the attack used {grown} KiB");
    outcomes
}

#[track_caller]
fn assert_all_closed(outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(
            outcome.closed,
            "still open after {:?}, {} bytes: {}",
            outcome.duration,
            outcome.sent,
            outcome.first_line()
        );
    }
}

#[test]
fn deeply_nested_amf0_closes_the_connection() {
    // Above and below the maximum length of a connect.
    for size in [400_000, 60_000] {
        assert_all_closed(&attack(|server| nested_connect(server, size)));
    }
}

#[test]
fn an_endless_http_head_is_rejected() {
    let outcomes = attack(|server| flood(server, b"GET / HTTP/1.1\r\n", &b"x-more: abcdefgh\r\n".repeat(64), 1 << 20));
    assert_all_closed(&outcomes);
    assert_all_answered(&outcomes, &["HTTP/1.1 431", "HTTP/1.1 400"]);
}

#[test]
fn an_endless_http_target_is_rejected() {
    let outcomes = attack(|server| flood(server, b"GET /redirect/", &[b'a'; 4096], 1 << 20));
    assert_all_closed(&outcomes);
    assert_all_answered(&outcomes, &["HTTP/1.1 414", "HTTP/1.1 431", "HTTP/1.1 400"]);
}

#[test]
fn an_rtsp_line_of_one_megabyte_is_rejected() {
    let outcomes = attack(|server| flood(server, b"DESCRIBE rtsp://127.0.0.1/", &[b'a'; 4096], 1 << 20));
    assert_all_closed(&outcomes);
    assert_all_answered(&outcomes, &["RTSP/1.0 400", "RTSP/1.0 414", "HTTP/1.1 400", "HTTP/1.1 414", "HTTP/1.1 431"]);
}

#[test]
fn garbage_closes_the_connection() {
    assert_all_closed(&attack(|server| flood(server, b"\x00\xff\x80", &[0xa5; 4096], 1 << 20)));
}

#[test]
fn clients_that_send_one_byte_per_second_time_out() {
    let rtmp = [&[3][..], &[0; 1536]].concat();
    let starts: [&[u8]; 3] = [b"GET /loadbalancer HTTP/1.1\r\n", b"DESCRIBE rtsp://127.0.0.1/live RTSP/1.0\r\n", &rtmp];
    for start in starts {
        let outcomes = attack(|server| drip(server, start, Duration::from_secs(1), CLOSED_WITHIN));
        assert_all_closed(&outcomes);
    }
}

#[test]
fn silent_clients_time_out() {
    assert_all_closed(&attack(|server| drip(server, b"", Duration::from_secs(1), CLOSED_WITHIN)));
}

/// Asserts the answers. The server must keep reading for a while after its answer: closing at once would reset the
/// connection, and the client would never see the reason.
#[track_caller]
fn assert_all_answered(outcomes: &[Outcome], expected: &[&str]) {
    for outcome in outcomes {
        let line = outcome.first_line();
        assert!(expected.iter().any(|start| line.starts_with(start)), "{line:?} after {} bytes", outcome.sent);
    }
}
