//! Serves one RTMP connection: dispatches the client, and relays it if it is not redirected.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use tracing::debug;
use weir_fleet::Protocol;

use super::dispatch::{Dispatcher, NO_SERVER, PendingRelay};
use super::edge_session::{self, EdgeSession};
use super::edge_url::requested_url;
use super::rejection::write_rejection;
use super::response;
use super::response_filter;
use super::transcript::Transcript;
use crate::client::Client;
use crate::downstream::Downstream;
use crate::exchange;
use crate::front::Front;
use crate::relay::{EdgeEndpoint, Error, RelayRequest, Upstream, connect_with, forward};
use crate::stream::Stream;

/// The number of bytes to read from an edge at once. Its handshake and first responses are shorter.
const READ_LENGTH: usize = 4096;

/// Serves a connection. `downstream` holds its first bytes.
pub(crate) async fn serve(front: Arc<Front>, client: Client, downstream: Downstream) {
    // Boxed, and so freed before the relay starts, which may take hours and needs none of it.
    let established = Box::pin(dispatch(&front, client, downstream)).await;
    if let Some((stream, upstream, to_client)) = established {
        Box::pin(forward(&front, stream, upstream, Bytes::new(), to_client)).await;
    }
}

/// A client, its edge, and the first bytes from the edge for the client.
type EstablishedRelay = (Stream, Upstream, Bytes);

/// Answers a client, or connects it to an edge.
async fn dispatch(front: &Front, client: Client, downstream: Downstream) -> Option<EstablishedRelay> {
    let mut dispatcher = Dispatcher::new(front, client);
    let downstream = exchange::run(front, downstream, &mut dispatcher).await?;
    let pending = dispatcher.into_pending_relay()?;
    // Boxed, because few connections need the memory.
    Box::pin(connect_to_edge(front, client, downstream, pending)).await
}

/// Connects a client to an edge, or rejects it if no edge takes it over.
async fn connect_to_edge(
    front: &Front,
    client: Client,
    mut downstream: Downstream,
    pending: PendingRelay,
) -> Option<EstablishedRelay> {
    let local_address = downstream.stream.local_address().ok()?;
    let PendingRelay { transcript, connect, path, pending_call } = pending;
    let application = front.application(Protocol::Rtmp, &connect.app);
    let requested = requested_url(client, &connect);
    let endpoint = EdgeEndpoint::Protocol { protocol: Protocol::Rtmp, requested, application };
    let request = RelayRequest { endpoint, path: path.as_deref(), local_address };
    let greet = |stream| open(front, stream, transcript.clone());
    let description = match connect_with(front, client, request, greet).await {
        Ok((upstream, Ok(to_client))) => return Some((downstream.stream, upstream, to_client.into())),
        Ok((upstream, Err(error))) => {
            let host = upstream.assignment.host();
            debug!(client = %client.address, host, %error, "edge cannot continue RTMP session");
            front.metrics().reject_client(Protocol::Rtmp.name(), edge_session::Error::from(error).reason());
            "The server refused the connection."
        }
        Err(refusal) => {
            debug!(client = %client.address, %refusal, "RTMP client not relayed");
            NO_SERVER
        }
    };
    let mut output = Vec::new();
    match pending_call {
        Some(call) => response::stream_failed(&mut output, call.stream_id, call.purpose, description),
        None => write_rejection(&mut output, connect.transaction, description, None),
    }
    if downstream.answer(front, Protocol::Rtmp, &output).await.is_ok() {
        downstream.finish(front.limits()).await;
    }
    None
}

/// The first bytes from an edge for the client, or why the edge cannot continue the client's session.
///
/// Any other failure is one of the connection to the edge: the edge has not received the client's bytes or has not
/// responded to them, and another edge may.
type Opened = Result<Vec<u8>, response_filter::Error>;

/// Opens a session with an edge for the client with this transcript.
async fn open(front: &Front, mut stream: Stream, transcript: Transcript) -> Result<(Stream, Opened), Error> {
    // The kernel accepts connections even for an edge that hangs, so the handshake has to complete within
    // `connect_timeout` too. For the response to a connect, the edge may have to wait for other servers.
    let handshake_deadline = Instant::now() + front.relay().settings.connect_timeout;
    let response_deadline = Instant::now() + front.limits().decision_timeout;
    let mut to_edge = Vec::new();
    let mut session = EdgeSession::new(transcript, front.limits().rtmp, &mut to_edge);
    let mut from_edge = BytesMut::with_capacity(READ_LENGTH);
    loop {
        // The handshake is the same for every client. A failure after it may be due to this client.
        let (deadline, failed): (_, fn(io::Error) -> Error) = if session.is_handshake_complete() {
            (response_deadline, Error::Declined)
        } else {
            (handshake_deadline, Error::Greeting)
        };
        from_edge.clear();
        let turn = async {
            send(&mut stream, &to_edge).await?;
            stream.read_buf(&mut from_edge).await
        };
        let turn = timeout_at(deadline, turn).await.unwrap_or_else(|elapsed| Err(elapsed.into()));
        if turn.map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        to_edge.clear();
        match session.receive(&from_edge, &mut to_edge) {
            Ok(false) => {}
            Ok(true) => {
                let sent = timeout_at(response_deadline, send(&mut stream, &to_edge)).await;
                sent.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(Error::Declined)?;
                return Ok((stream, Ok(session.into_bytes())));
            }
            Err(error @ edge_session::Error::NotRtmp) => {
                return Err(Error::Greeting(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            Err(edge_session::Error::Response(error)) => return Ok((stream, Err(error))),
        }
    }
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS buffers bytes that the kernel does not accept, and sends them only when flushed.
    stream.flush().await
}

#[cfg(test)]
mod tests;
