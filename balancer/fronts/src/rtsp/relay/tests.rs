//! What passes between a client and its edge before media are set up, over loopback sockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::relay::carry;
use crate::relay::tests::{edge, end_drain, front_with, pair};
use crate::socket::Socket;
use crate::tests::CLIENT;

/// For what should come at once.
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
        let incoming = Incoming::new(Stream::Plain(Socket::registered(accepted)), PATIENCE);
        let (said, path, asked) = (ANNOUNCE.to_vec(), "/live/x".to_owned(), CLIENT.asked(Protocol::Rtsp));
        let relayed = RelaySessions { said, cseq: 2, path, asked, sent: None };
        let shared = Arc::clone(&front);
        let task = tokio::spawn(async move {
            if let Some(Met { client, edge, to_edge, to_client }) = meet(&shared, CLIENT, incoming, relayed).await {
                carry(&shared, client, edge, to_edge, to_client).await;
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
async fn a_client_that_says_no_more_still_gets_its_answer_and_nothing_of_either_is_lost() {
    let Session { mut client, mut edge, task, .. } = Session::open().await;
    client.write_all(b"OPTIONS * RTS").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, edge.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"OPTIONS * RTS", "for the edge to judge");
    edge.write_all(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n").await.unwrap();
    drop(edge);
    let mut answer = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_in_which_nothing_is_set_up_ends_with_the_drain_of_its_edge_too() {
    let Session { front, mut client, edge: _edge, task } = Session::open().await;
    end_drain(&front);
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert!(front.metrics().render().contains("weir_relay_sessions_closed_total{reason=\"drained\"} 1\n"));
}
