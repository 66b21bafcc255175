//! Sessions between a client and its edge before the media are set up, over loopback sockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::fixtures::CLIENT;
use crate::relay::forward;
use crate::relay::tests::{edge, end_drain, front_with, pair};
use crate::socket::Socket;

/// The time to wait for events that should occur at once.
const PATIENCE: Duration = Duration::from_secs(15);

const ANNOUNCE: &[u8] = b"ANNOUNCE rtsp://lb/live/x RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n";

/// A client that has announced a stream, and its edge.
struct Session {
    front: Arc<Front>,
    client: TcpStream,
    edge: TcpStream,
    task: JoinHandle<()>,
}

impl Session {
    async fn open() -> Self {
        let (listener, mut report) = edge().await;
        for endpoint in &mut report.endpoints {
            endpoint.scheme = "rtsp";
        }
        let front = front_with(&[report], |_| {});
        let (client, accepted) = pair().await;
        let downstream = Downstream::new(Stream::Plain(Socket::registered(accepted)), PATIENCE);
        let (received, path, requested) =
            (ANNOUNCE.to_vec(), "/live/x".to_owned(), CLIENT.requested_url(Protocol::Rtsp));
        let pending = PendingRelay { received, cseq: 2, path, requested, assignment: None };
        let shared = Arc::clone(&front);
        let task = tokio::spawn(async move {
            let established = establish(&shared, CLIENT, downstream, pending).await;
            if let Some(EstablishedRelay { client, edge, to_edge, to_client }) = established {
                forward(&shared, client, edge, to_edge, to_client).await;
            }
        });
        let (mut edge, _) = listener.accept().await.unwrap();
        let mut announced = vec![0; ANNOUNCE.len()];
        edge.read_exact(&mut announced).await.unwrap();
        assert_eq!(announced, ANNOUNCE);
        Self { front, client, edge, task }
    }
}

#[tokio::test]
async fn a_client_that_has_closed_its_direction_still_gets_the_response() {
    let Session { mut client, mut edge, task, .. } = Session::open().await;
    client.write_all(b"OPTIONS * RTS").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, edge.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"OPTIONS * RTS", "an incomplete request is left to the edge");
    edge.write_all(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n").await.unwrap();
    drop(edge);
    let mut answer = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_without_a_setup_ends_at_the_drain_deadline_of_its_edge() {
    let Session { front, mut client, edge: _edge, task } = Session::open().await;
    end_drain(&front);
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert!(front.metrics().render().contains("weir_relay_sessions_closed_total{reason=\"drained\"} 1\n"));
}
