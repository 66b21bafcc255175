//! What is forwarded, until when, and at what cost.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report};
use weir_fleet::{Edge, Time};

use super::fixtures::{Session, edge, edge_of, front, relay, relayed_with, total};
use crate::relay::pool::PipeQuota;
use crate::settings::Relay as Settings;

/// More than all buffers between two sockets of the loopback hold.
const BULK: usize = 24 * 1024 * 1024;
/// Time limit for what should happen at once.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes of which no two parts are alike.
fn pattern(salt: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(salt) >> 7) as u8 ^ index as u8).collect()
}

/// Sends all bytes in pieces of many sizes, and closes the direction.
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

async fn forward_both_directions_at_once(session: Session) {
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
async fn bytes_arrive_unchanged_in_both_directions() {
    forward_both_directions_at_once(Session::open(Settings::default()).await).await;
}

#[tokio::test]
async fn bytes_are_copied_when_no_pipe_is_available() {
    let without_pipes = |shared: &mut crate::Shared| {
        shared.relay = relay(Settings::default());
        shared.relay.quota = PipeQuota::none().into();
    };
    forward_both_directions_at_once(Session::open_on(without_pipes).await).await;
}

#[tokio::test]
async fn bytes_received_before_the_session_are_forwarded_first() {
    let (listener, report) = edge().await;
    let front = front(&[report], Settings::default());
    let (mut client, _task) = relayed_with(&front, b"first of the client, ", b"first of the edge, ").await;
    let (mut edge, _) = listener.accept().await.unwrap();
    tokio::join!(send(&mut client, b"then this"), send(&mut edge, b"then that"));
    assert_eq!(receive(&mut edge).await, b"first of the client, then this");
    assert_eq!(receive(&mut client).await, b"first of the edge, then that");
}

#[tokio::test]
async fn a_half_closed_session_goes_on() {
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

/// Sends until no more bytes are accepted; returns their number.
async fn fill(stream: &TcpStream) -> usize {
    let piece = [0; 65_536];
    let mut sent = 0;
    // Bytes in transit on the loopback arrive within this time.
    while timeout(Duration::from_millis(200), stream.writable()).await.is_ok() {
        sent += stream.try_write(&piece).unwrap_or(0);
    }
    sent
}

#[tokio::test]
async fn a_stalled_reader_holds_up_the_sender_and_loses_nothing() {
    let settings = Settings { pipe_bytes: 65_536, ..Settings::default() };
    let Session { mut client, edge, .. } = Session::open(settings).await;
    for stream in [&client, &edge] {
        // Fixed, so that the kernel does not enlarge them; it doubles the value (socket(7), SO_RCVBUF).
        SockRef::from(stream).set_recv_buffer_size(65_536).unwrap();
        SockRef::from(stream).set_send_buffer_size(65_536).unwrap();
    }
    let sent = fill(&edge).await;
    // The kernel may enlarge the buffers of the balancer's two sockets up to these limits.
    let kernel_limits = ["tcp_rmem", "tcp_wmem"].map(|name| {
        let limits = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap();
        limits.split_whitespace().nth(2).unwrap().parse::<usize>().unwrap()
    });
    let max = 4 * 65_536 + kernel_limits.iter().sum::<usize>() + 65_536 + 16_384;
    assert!(sent <= max, "{sent} bytes were received from the edge, of at most {max}");
    drop(edge);
    let mut received = Vec::new();
    // The edge closed with nothing unread, so the client sees the end and no reset.
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), sent);
}

#[tokio::test]
async fn the_last_message_of_an_edge_arrives_after_it_has_closed() {
    let Session { mut client, mut edge, task, .. } = Session::open(Settings::default()).await;
    // The edge closes with bytes unread, so that it responds to later ones with a reset.
    client.write_all(b"more than the edge reads").await.unwrap();
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
async fn a_reset_of_one_connection_closes_the_other() {
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
async fn a_reset_of_a_connection_that_is_not_read_is_noticed() {
    let Session { client, mut edge, task, .. } = Session::open(Settings::default()).await;
    // The client has closed its direction, so that it is not read any more; the edge sends nothing.
    SockRef::from(&client).shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(edge.read(&mut [0; 1]).await.unwrap(), 0);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_session_is_closed() {
    let settings = Settings { idle_timeout: Some(Duration::from_secs(300)), ..Settings::default() };
    let Session { front, mut client, mut edge, task } = Session::open(settings).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(edge.read_u8().await.unwrap(), b'x');
    // From here on, only the session's timer advances the clock.
    tokio::time::pause();
    let began = Instant::now();
    task.await.unwrap();
    let passed = began.elapsed();
    assert!((Duration::from_secs(299)..Duration::from_secs(302)).contains(&passed), "{passed:?}");
    assert!(front.metrics().render().contains("weir_relay_sessions_closed_total{reason=\"idle\"} 1\n"));
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_with_occasional_traffic_is_not_closed() {
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

/// The edge with id 1, draining with a deadline of `until` milliseconds.
fn draining(until: u64) -> Edge {
    let mut draining = report();
    draining.status = weir_protocol::report::Status::Draining;
    draining.drain_deadline = Some(Duration::from_millis(until));
    Edge::new(id(1), &draining, SOURCE, &ANYWHERE, at(0).into())
}

#[tokio::test]
async fn sessions_end_at_the_drain_deadline_of_their_edge() {
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
