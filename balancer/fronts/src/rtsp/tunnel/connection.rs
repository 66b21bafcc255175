//! Serves one channel of a tunnel.

use std::io;
use std::sync::Arc;

use bytes::Buf as _;
use tokio::sync::oneshot;
use tracing::debug;
use weir_fleet::Protocol;

use super::channel::{Channel, ChannelRequest};
use super::pairing::{PairedChannel, Pairing};
use super::stream::TunnelStream;
use crate::client::Client;
use crate::downstream::Downstream;
use crate::front::Front;
use crate::rtsp;
use crate::stream::Stream;

/// Serves a connection. `downstream` holds the head of a request that opens a channel.
///
/// The channel that is opened first waits for the other and serves the tunnel. The other is handed to it, on whichever
/// thread it is.
pub(crate) async fn serve(front: Arc<Front>, client: Client, mut downstream: Downstream) {
    let rejected = |reason| front.metrics().reject_client(Protocol::Rtsp.name(), reason);
    let Some(request) = ChannelRequest::parse(&downstream.received) else { return };
    let channel = request.channel;
    let length = request.length;
    let pairing = match front.tunnels().pair(client.address.ip(), request.cookie, channel, &front.limits().rtsp) {
        Ok(pairing) => pairing,
        Err(error) => {
            rejected(error.reason());
            let answer = format!("HTTP/1.0 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", error.status());
            if downstream.answer(&front, Protocol::Rtsp, answer.as_bytes()).await.is_ok() {
                downstream.finish(front.limits()).await;
            }
            return;
        }
    };
    downstream.received.advance(length);
    // The client opens the POST channel after this response.
    if channel == Channel::Get {
        let answer = accepted(&front.http_date());
        if downstream.answer(&front, Protocol::Rtsp, &answer).await.is_err() {
            return;
        }
    }
    let (receiver, slot) = match pairing {
        Pairing::Paired(sender) => return hand_over(downstream, sender).await,
        Pairing::Waiting(receiver, slot) => (receiver, slot),
    };
    let paired = match wait(&mut downstream, channel, receiver, front.limits().rtsp.head).await {
        Ok(paired) => paired,
        Err(error) => {
            if error.kind() == io::ErrorKind::TimedOut {
                rejected("tunnel-timeout");
            }
            return debug!(client = %client.address, %error, "RTSP tunnel not established");
        }
    };
    drop(slot);
    // Dropping `_alive` tells the task of the other channel that the tunnel has ended.
    let PairedChannel { downstream: other, alive: _alive } = paired;
    let (get, post) = match channel {
        Channel::Get => (downstream, other),
        Channel::Post => (other, downstream),
    };
    match TunnelStream::new(get.stream, post.stream, &post.received) {
        Ok(tunnel) => {
            let tunnel = Downstream::new(Stream::Tunnelled(Box::new(tunnel)), front.limits().decision_timeout);
            rtsp::serve(Arc::clone(&front), client, tunnel).await;
        }
        Err(_) => rejected("tunnel-base64"),
    }
}

/// Returns the response to `GET`. RTSP follows it.
fn accepted(date: &str) -> Vec<u8> {
    format!(
        "HTTP/1.0 200 OK\r\nServer: Weir\r\nConnection: close\r\nDate: {date}\r\nCache-Control: no-store\r\n\
         Pragma: no-cache\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n"
    )
    .into_bytes()
}

/// Hands this channel to the waiting one, and waits until the tunnel has ended, so that this connection counts as open
/// until then.
async fn hand_over(mut downstream: Downstream, sender: oneshot::Sender<PairedChannel>) {
    if downstream.stream.detach().is_err() {
        return;
    }
    let (alive, ended) = oneshot::channel();
    if sender.send(PairedChannel { downstream, alive }).is_ok() {
        // Nothing is ever sent. The wait ends when `alive` is dropped.
        let _ = ended.await;
    }
}

/// Waits for the other channel.
///
/// # Errors
/// When the client closes the connection, sends too much, or does not open the other channel in time.
async fn wait(
    downstream: &mut Downstream,
    channel: Channel,
    mut receiver: oneshot::Receiver<PairedChannel>,
    limit: usize,
) -> io::Result<PairedChannel> {
    loop {
        tokio::select! {
            paired = &mut receiver => return paired.map_err(|_| io::ErrorKind::ConnectionAborted.into()),
            more = downstream.receive() => match more? {
                // Base64 is decoded once there is a channel to respond on.
                true if channel == Channel::Post && downstream.received.len() <= limit => {}
                true => return Err(io::ErrorKind::InvalidData.into()),
                false => return Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}
