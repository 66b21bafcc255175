//! Clients that mean harm get a clear answer or a closed connection, and cost nobody else anything.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::ask;
use weir_tests::hostile::{Ending, drip, flood, nested_connect};
use weir_tests::wait::{PATIENCE, until};

/// At the same time, each.
const ATTACKERS: usize = 8;
/// What a good client must not wait longer than, on a machine that tests keep busy.
const ANSWERED: Duration = Duration::from_secs(2);
/// The balancer's own decision timeout in these tests, and when a connection that hits it is closed at the latest.
const DECISION: &str = "[limits]\ndecision_timeout = \"1s\"\n";
const CLOSED: Duration = Duration::from_secs(4);
/// Memory that an attack may cost: a quarter of a mebibyte for each attacker, all of whom send more.
const MEMORY_KIB: u64 = ATTACKERS as u64 * 256;

fn stage() -> (Balancer, Agent) {
    let balancer = Balancer::with_config(DECISION);
    let agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    // What the first request allocates is no attack's cost.
    assert_eq!(ask(&balancer), agent.address.to_string());
    (balancer, agent)
}

/// Attacks from several threads, while good clients ask and are answered.
#[track_caller]
fn attack(attacker: impl Fn(SocketAddr) -> io::Result<Ending> + Sync) -> Vec<Ending> {
    let (balancer, agent) = stage();
    let memory = balancer.resident_kib();
    let endings = thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS).map(|_| scope.spawn(|| attacker(balancer.clients))).collect();
        until("the attackers give up", 3 * PATIENCE, || {
            let asked = Instant::now();
            assert_eq!(ask(&balancer), agent.address.to_string());
            assert!(asked.elapsed() < ANSWERED, "a good client waited for {:?}", asked.elapsed());
            attackers.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        attackers
            .into_iter()
            .map(|attacker| attacker.join().expect("the attacker ends").expect("it connects"))
            .collect()
    });
    assert!(!balancer.process.has_ended());
    let grown = balancer.resident_kib().saturating_sub(memory);
    assert!(grown < MEMORY_KIB, "the attack has cost {grown} KiB");
    endings
}

#[track_caller]
fn assert_all_closed(endings: &[Ending]) {
    for ending in endings {
        assert!(ending.closed, "still open after {:?}, {} bytes: {}", ending.after, ending.sent, ending.first_line());
    }
}

#[test]
fn nested_amf0_ends_the_connection() {
    // Longer than any connect may be, and as long as it may be.
    for size in [400_000, 60_000] {
        assert_all_closed(&attack(|server| nested_connect(server, size)));
    }
}

#[test]
fn an_http_head_without_end_is_refused() {
    let endings = attack(|server| flood(server, b"GET / HTTP/1.1\r\n", &b"x-more: abcdefgh\r\n".repeat(64), 1 << 20));
    assert_all_closed(&endings);
    assert_all_say(&endings, &["HTTP/1.1 431", "HTTP/1.1 400"]);
}

#[test]
fn an_http_target_without_end_is_refused() {
    let endings = attack(|server| flood(server, b"GET /redirect/", &[b'a'; 4096], 1 << 20));
    assert_all_closed(&endings);
    assert_all_say(&endings, &["HTTP/1.1 414", "HTTP/1.1 431", "HTTP/1.1 400"]);
}

#[test]
fn an_rtsp_line_of_a_megabyte_is_refused() {
    let endings = attack(|server| flood(server, b"DESCRIBE rtsp://127.0.0.1/", &[b'a'; 4096], 1 << 20));
    assert_all_closed(&endings);
    assert_all_say(&endings, &["RTSP/1.0 400", "RTSP/1.0 414", "HTTP/1.1 400", "HTTP/1.1 414", "HTTP/1.1 431"]);
}

#[test]
fn noise_ends_the_connection() {
    assert_all_closed(&attack(|server| flood(server, b"\x00\xff\x80", &[0xa5; 4096], 1 << 20)));
}

#[test]
fn clients_of_a_byte_a_second_are_not_waited_for() {
    let rtmp = [&[3][..], &[0; 1536]].concat();
    let starts: [&[u8]; 3] = [b"GET /loadbalancer HTTP/1.1\r\n", b"DESCRIBE rtsp://127.0.0.1/live RTSP/1.0\r\n", &rtmp];
    for start in starts {
        let endings = attack(|server| drip(server, start, Duration::from_secs(1), CLOSED));
        assert_all_closed(&endings);
    }
}

#[test]
fn clients_that_say_nothing_are_not_waited_for() {
    assert_all_closed(&attack(|server| drip(server, b"", Duration::from_secs(1), CLOSED)));
}

/// The server must read on for a while after its answer: one that closes at once resets the connection, and the client
/// never sees why.
#[track_caller]
fn assert_all_say(endings: &[Ending], expected: &[&str]) {
    for ending in endings {
        let line = ending.first_line();
        assert!(expected.iter().any(|start| line.starts_with(start)), "{line:?} after {} bytes", ending.sent);
    }
}
