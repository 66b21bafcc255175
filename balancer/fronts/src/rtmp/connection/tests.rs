//! Sessions with an edge over a loopback socket.

use super::super::handshake::{HANDSHAKE_LENGTH, VERSION_AND_PACKET_LENGTH};
use super::super::transcript::AnsweredTransactions;
use super::*;
use crate::relay::tests::{front_with, pair};
use crate::socket::Socket;

/// Opens a session for a client whose connect was accepted, with an edge that sends `from_edge` and closes.
async fn opened(from_edge: &[u8]) -> Result<Opened, Error> {
    let front = front_with(&[], |_| {});
    let (balancer, mut edge) = pair().await;
    let mut transcript = Transcript { received: b"connect".to_vec(), answered: AnsweredTransactions::default() };
    transcript.answered.record_connect(1.0);
    let edge = async {
        let mut first = [0; VERSION_AND_PACKET_LENGTH];
        edge.read_exact(&mut first).await.unwrap();
        edge.write_all(from_edge).await.unwrap();
        edge.shutdown().await.unwrap();
        // Reads until the balancer closes, so that the connection is not reset.
        let _ = edge.read_to_end(&mut Vec::new()).await;
    };
    let opened = open(&front, Stream::Plain(Socket::registered(balancer)), transcript);
    let (opened, ()) = tokio::join!(async { opened.await.map(|(_, opened)| opened) }, edge);
    opened
}

#[tokio::test]
async fn a_failed_handshake_is_distinguished_from_a_declined_client() {
    let mut handshake = vec![0; HANDSHAKE_LENGTH];
    handshake[0] = 3;
    for broken in [&b""[..], b"\x03", b"HTTP/1.1 400", &handshake[..HANDSHAKE_LENGTH - 1]] {
        assert!(matches!(opened(broken).await, Err(Error::Greeting(_))), "{} bytes", broken.len());
    }
    assert!(matches!(opened(&handshake).await, Err(Error::Declined(_))));
}
