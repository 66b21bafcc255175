//! The first words with an edge, over a loopback socket.

use super::super::answered::Answered;
use super::super::handshake::{FIRST_LENGTH, HANDSHAKE_LENGTH};
use super::*;
use crate::relay::tests::{front_with, pair};
use crate::socket::Socket;

/// What becomes of a client whose connect was accepted, with an edge that says this and closes.
async fn opened(says: &[u8]) -> Result<Opened, Error> {
    let front = front_with(&[], |_| {});
    let (balancer, mut edge) = pair().await;
    let mut story = Story { said: b"connect".to_vec(), answered: Answered::default() };
    story.answered.connect(1.0);
    let edge = async {
        let mut first = [0; FIRST_LENGTH];
        edge.read_exact(&mut first).await.unwrap();
        edge.write_all(says).await.unwrap();
        edge.shutdown().await.unwrap();
        // Until the balancer has gone, so that nothing is reset.
        let _ = edge.read_to_end(&mut Vec::new()).await;
    };
    let opened = open(&front, Stream::Plain(Socket::registered(balancer)), story);
    let (opened, ()) = tokio::join!(async { opened.await.map(|(_, opened)| opened) }, edge);
    opened
}

#[tokio::test]
async fn an_edge_that_does_not_shake_hands_is_told_from_one_that_declines_a_client() {
    let mut handshake = vec![0; HANDSHAKE_LENGTH];
    handshake[0] = 3;
    for broken in [&b""[..], b"\x03", b"HTTP/1.1 400", &handshake[..HANDSHAKE_LENGTH - 1]] {
        assert!(matches!(opened(broken).await, Err(Error::Greeting(_))), "{} bytes", broken.len());
    }
    assert!(matches!(opened(&handshake).await, Err(Error::Declined(_))));
}
