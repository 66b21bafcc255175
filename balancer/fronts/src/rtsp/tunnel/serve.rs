//! One half of a tunnel, with its socket.

use std::io;
use std::sync::Arc;

use bytes::Buf as _;
use tokio::sync::oneshot;
use tracing::debug;
use weir_fleet::Protocol;

use super::half::{Half, Request};
use super::joined::Joined;
use super::meet::{Arrived, Met};
use crate::incoming::Incoming;
use crate::stream::Stream;
use crate::{Client, Front, rtsp};

/// Serves a connection of which `incoming` holds the head of a request for half of a tunnel.
///
/// The half that comes first waits for the other, and serves both; the other is given to it, whichever thread it is on.
pub(crate) async fn serve(front: Arc<Front>, client: Client, mut incoming: Incoming) {
    let rejected = |reason| front.metrics().reject_client(Protocol::Rtsp.name(), reason);
    let Some(request) = Request::parse(&incoming.received) else { return };
    let half = request.half;
    let length = request.length;
    let met = match front.tunnels().meet(client.address.ip(), request.cookie, half, &front.limits().rtsp) {
        Ok(met) => met,
        Err(refused) => {
            rejected(refused.reason());
            let answer = format!("HTTP/1.0 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", refused.status());
            if incoming.answer(&front, Protocol::Rtsp, answer.as_bytes()).await.is_ok() {
                incoming.finish(front.limits()).await;
            }
            return;
        }
    };
    incoming.received.advance(length);
    // The client sends the other half once it has this answer.
    if half == Half::ToClient {
        let answer = accepted(&front.http_date());
        if incoming.answer(&front, Protocol::Rtsp, &answer).await.is_err() {
            return;
        }
    }
    let (receiver, place) = match met {
        Met::Other(sender) => return give(incoming, sender).await,
        Met::Nobody(receiver, place) => (receiver, place),
    };
    let arrived = match wait(&mut incoming, half, receiver, front.limits().rtsp.head).await {
        Ok(arrived) => arrived,
        Err(error) => {
            if error.kind() == io::ErrorKind::TimedOut {
                rejected("tunnel-timeout");
            }
            return debug!(client = %client.address, %error, "half of an rtsp tunnel");
        }
    };
    drop(place);
    // It tells the giver when the tunnel has ended.
    let Arrived { incoming: other, alive: _alive } = arrived;
    let (to_client, from_client) = match half {
        Half::ToClient => (incoming, other),
        Half::FromClient => (other, incoming),
    };
    match Joined::new(to_client.stream, from_client.stream, &from_client.received) {
        Ok(joined) => {
            let joined = Incoming::new(Stream::Tunnelled(Box::new(joined)), front.limits().decision_timeout);
            rtsp::serve(Arc::clone(&front), client, joined).await;
        }
        Err(_) => rejected("tunnel-base64"),
    }
}

/// The answer to `GET`: from here on it is RTSP.
fn accepted(date: &str) -> Vec<u8> {
    format!(
        "HTTP/1.0 200 OK\r\nServer: Weir\r\nConnection: close\r\nDate: {date}\r\nCache-Control: no-store\r\n\
         Pragma: no-cache\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n"
    )
    .into_bytes()
}

/// Gives this half to the one that waits for it, and stays until the tunnel has ended: as long as that counts this
/// connection as open.
async fn give(mut incoming: Incoming, sender: oneshot::Sender<Arrived>) {
    if incoming.stream.detach().is_err() {
        return;
    }
    let (alive, ended) = oneshot::channel();
    if sender.send(Arrived { incoming, alive }).is_ok() {
        // Nothing is ever sent: it ends when the other end is dropped.
        let _ = ended.await;
    }
}

/// Waits for the other half.
///
/// # Errors
/// When the client has gone, says too much meanwhile, or lets the other half wait for too long.
async fn wait(
    incoming: &mut Incoming,
    half: Half,
    mut receiver: oneshot::Receiver<Arrived>,
    limit: usize,
) -> io::Result<Arrived> {
    loop {
        tokio::select! {
            arrived = &mut receiver => return arrived.map_err(|_| io::ErrorKind::ConnectionAborted.into()),
            more = incoming.receive() => match more? {
                // What it says is decoded when there is somebody to answer.
                true if half == Half::FromClient && incoming.received.len() <= limit => {}
                true => return Err(io::ErrorKind::InvalidData.into()),
                false => return Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}
