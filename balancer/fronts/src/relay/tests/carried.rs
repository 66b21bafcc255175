//! What goes to and fro, until when, and at what cost.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report};
use weir_fleet::{Edge, Time};

use super::stage::{Session, edge, edge_of, front, relay, relayed_with, total};
use crate::relay::supplies::Quota;
use crate::settings::Relay as Settings;

/// More than all buffers between two sockets of the loopback hold.
const BULK: usize = 24 * 1024 * 1024;
/// For what should come at once.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes that no two parts are alike of.
fn pattern(salt: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(salt) >> 7) as u8 ^ index as u8).collect()
}

/// Sends all of it in pieces of many sizes, and then the end.
async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let mut rest = bytes;
    for size in [1, 100, 5000, 16_384, 70_000, 1_000_000].into_iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(size));
        stream.write_all(piece).await.unwrap();
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    stream.shutdown().await.unwrap();
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    received
}

async fn carry_both_ways_at_once(session: Session) {
    let Session { front, client, edge, task } = session;
    let (up, down) = (pattern(3, BULK), pattern(11, BULK));
    let (mut from_edge, mut to_edge) = client.into_split();
    let (mut from_client, mut to_client) = edge.into_split();
    let (_, _, came_up, came_down) = tokio::join!(
        send(&mut to_edge, &up),
        send(&mut to_client, &down),
        receive(&mut from_client),
        receive(&mut from_edge)
    );
    assert!(came_up == up && came_down == down, "{} and {} bytes", came_up.len(), came_down.len());
    timeout(PATIENCE, task).await.unwrap().unwrap();
    let total = total(&front);
    assert_eq!((total.bytes_to_edge, total.bytes_to_client), (BULK as u64, BULK as u64));
}

#[tokio::test]
async fn what_either_end_sends_reaches_the_other_unharmed() {
    carry_both_ways_at_once(Session::open(Settings::default()).await).await;
}

#[tokio::test]
async fn without_pipes_it_is_copied() {
    let without_pipes = |shared: &mut crate::Shared| {
        shared.relay = relay(Settings::default());
        shared.relay.quota = Quota::none().into();
    };
    carry_both_ways_at_once(Session::open_on(without_pipes).await).await;
}

#[tokio::test]
async fn what_came_before_comes_first() {
    let (listener, report) = edge().await;
    let front = front(&[report], Settings::default());
    let (mut client, _task) = relayed_with(&front, b"first of the client, ", b"first of the edge, ").await;
    let (mut edge, _) = listener.accept().await.unwrap();
    tokio::join!(send(&mut client, b"then this"), send(&mut edge, b"then that"));
    assert_eq!(receive(&mut edge).await, b"first of the client, then this");
    assert_eq!(receive(&mut client).await, b"first of the edge, then that");
}

#[tokio::test]
async fn when_one_end_has_said_all_the_other_goes_on() {
    for edge_ends_first in [false, true] {
        let Session { client, edge, task, .. } = Session::open(Settings::default()).await;
        let (mut first, mut second) = if edge_ends_first { (edge, client) } else { (client, edge) };
        send(&mut first, b"all that I have").await;
        assert_eq!(receive(&mut second).await, b"all that I have");
        for _ in 0..3 {
            second.write_all(b"go on").await.unwrap();
            let mut received = [0; 5];
            first.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"go on");
        }
        assert!(!task.is_finished());
        second.shutdown().await.unwrap();
        assert_eq!(receive(&mut first).await, b"");
        timeout(PATIENCE, task).await.unwrap().unwrap();
    }
}

/// Sends until nothing is taken any more; how much was.
async fn fill(stream: &TcpStream) -> usize {
    let piece = [0; 65_536];
    let mut sent = 0;
    // Whatever can still move on the loopback moves within this time.
    while timeout(Duration::from_millis(200), stream.writable()).await.is_ok() {
        sent += stream.try_write(&piece).unwrap_or(0);
    }
    sent
}

#[tokio::test]
async fn a_reader_that_stalls_holds_up_the_sender_and_nothing_is_lost() {
    let settings = Settings { pipe_bytes: 65_536, ..Settings::default() };
    let Session { mut client, edge, .. } = Session::open(settings).await;
    for stream in [&client, &edge] {
        // Fixed, so that the kernel does not make them larger; it doubles them (socket(7), SO_RCVBUF).
        SockRef::from(stream).set_recv_buffer_size(65_536).unwrap();
        SockRef::from(stream).set_send_buffer_size(65_536).unwrap();
    }
    let sent = fill(&edge).await;
    // Those of the two connections to the balancer are the kernel's to make larger, up to these.
    let most_of_kernel = ["tcp_rmem", "tcp_wmem"].map(|name| {
        let limits = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap();
        limits.split_whitespace().nth(2).unwrap().parse::<usize>().unwrap()
    });
    let most = 4 * 65_536 + most_of_kernel.iter().sum::<usize>() + 65_536 + 16_384;
    assert!(sent <= most, "{sent} bytes were taken from the edge, of at most {most}");
    drop(edge);
    let mut received = Vec::new();
    // The edge has closed with nothing to read, so that the end arrives as one.
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), sent);
}

#[tokio::test]
async fn the_last_words_of_an_edge_arrive_although_it_hears_no_more() {
    let Session { mut client, mut edge, task, .. } = Session::open(Settings::default()).await;
    // The edge closes with something unread, and what comes later is answered with a reset.
    client.write_all(b"more than it wants to know").await.unwrap();
    edge.readable().await.unwrap();
    edge.write_all(b"rejected").await.unwrap();
    drop(edge);
    let mut answer = [0; 8];
    timeout(PATIENCE, client.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"rejected");
    drop(client);
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reset_of_one_end_ends_the_other() {
    for edge_resets in [false, true] {
        let Session { front, client, edge, task } = Session::open(Settings::default()).await;
        let (first, mut second) = if edge_resets { (edge, client) } else { (client, edge) };
        SockRef::from(&first).set_linger(Some(Duration::ZERO)).unwrap();
        drop(first);
        let end = timeout(PATIENCE, second.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        timeout(PATIENCE, task).await.unwrap().unwrap();
        assert_eq!(total(&front).sessions, 0);
    }
}

#[tokio::test]
async fn a_reset_is_noticed_of_an_end_that_nothing_is_read_from() {
    let Session { client, mut edge, task, .. } = Session::open(Settings::default()).await;
    // The client has said all, so that nothing more is expected from it; the edge is silent.
    SockRef::from(&client).shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(edge.read(&mut [0; 1]).await.unwrap(), 0);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_that_carries_nothing_for_too_long_is_closed() {
    let settings = Settings { idle_timeout: Some(Duration::from_secs(300)), ..Settings::default() };
    let Session { front, mut client, mut edge, task } = Session::open(settings).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(edge.read_u8().await.unwrap(), b'x');
    // From here on only the timer of the session makes time pass.
    tokio::time::pause();
    let began = Instant::now();
    task.await.unwrap();
    let passed = began.elapsed();
    assert!((Duration::from_secs(299)..Duration::from_secs(302)).contains(&passed), "{passed:?}");
    assert!(front.metrics().render().contains("weir_relay_sessions_closed_total{reason=\"idle\"} 1\n"));
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_that_carries_something_now_and_then_is_not_closed() {
    let settings = Settings { idle_timeout: Some(Duration::from_secs(300)), ..Settings::default() };
    let Session { mut client, mut edge, task, .. } = Session::open(settings).await;
    for from_edge in [false, true, false, true] {
        let (from, to) = if from_edge { (&mut edge, &mut client) } else { (&mut client, &mut edge) };
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(250)).await;
        tokio::time::resume();
        from.write_all(b"x").await.unwrap();
        assert_eq!(timeout(PATIENCE, to.read_u8()).await.unwrap().unwrap(), b'x');
    }
    assert!(!task.is_finished());
}

/// The edge with the id 1, draining until `until` milliseconds from 0.
fn draining(until: u64) -> Edge {
    let mut draining = report();
    draining.status = weir_protocol::report::Status::Draining;
    draining.drain_deadline = Some(Duration::from_millis(until));
    Edge::new(id(1), &draining, SOURCE, &ANYWHERE, at(0).into())
}

#[tokio::test]
async fn sessions_end_with_the_drain_of_their_edge() {
    let Session { front, mut client, task, .. } = Session::open(Settings::default()).await;
    assert_eq!(edge_of(&front, 1).id, id(1));
    let snapshot = weir_fleet::testing::snapshot_of([draining(5000)]);
    let relayed = &front.relay().relayed;
    let sweep = |now: Time| relayed.sweep(&snapshot, now);
    sweep(at(4999));
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    sweep(at(5000));
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert!(front.metrics().render().contains("weir_relay_sessions_closed_total{reason=\"drained\"} 1\n"));
}
