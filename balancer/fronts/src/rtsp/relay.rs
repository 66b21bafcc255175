//! Connects a client to an edge, until the media are set up and the rest can be relayed unread.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::debug;
use weir_fleet::Protocol;

use super::dispatch::PendingRelay;
use super::response;
use super::setup_filter::SetupFilter;
use crate::client::Client;
use crate::downstream::Downstream;
use crate::front::Front;
use crate::relay::{EdgeEndpoint, RelayRequest, Upstream, connect, connect_assigned};
use crate::stream::Stream;

/// The number of bytes to read at once from either side. A message is seldom longer.
const READ_LENGTH: usize = 4096;

/// A client and its edge after the media are set up, and the first bytes for each.
pub(super) struct EstablishedRelay {
    pub(super) client: Stream,
    pub(super) edge: Upstream,
    pub(super) to_edge: Bytes,
    pub(super) to_client: Bytes,
}

/// Connects the client to an edge, replays the client's bytes, and passes messages until the media are set up. Returns
/// `None` if the session ends before.
pub(super) async fn establish(
    front: &Front,
    client: Client,
    downstream: Downstream,
    pending: PendingRelay,
) -> Option<EstablishedRelay> {
    let (client, upstream, received) = connect_to_edge(front, client, downstream, pending).await?;
    let Upstream { stream: edge, assignment, session } = upstream;
    let mut setup = Setup::new(front, client, edge, received);
    let continues = tokio::select! {
        continues = setup.run(front) => continues,
        () = session.must_end() => {
            front.metrics().relay_closed("drained");
            false
        }
    };
    if !continues {
        return None;
    }
    let Setup { client, edge, filter, .. } = setup;
    let (to_edge, to_client) = filter.into_buffered();
    let edge = Upstream { stream: edge, assignment, session };
    Some(EstablishedRelay { client, edge, to_edge: to_edge.into(), to_client: to_client.into() })
}

/// Connects the client to an edge, or rejects the client if none is available. Returns both connections, and the bytes
/// that the client has sent.
async fn connect_to_edge(
    front: &Front,
    client: Client,
    mut downstream: Downstream,
    pending: PendingRelay,
) -> Option<(Stream, Upstream, BytesMut)> {
    let PendingRelay { received, cseq, path, requested, assignment } = pending;
    let local_address = downstream.stream.local_address().ok()?;
    let application = front.application(Protocol::Rtsp, &path);
    let endpoint = EdgeEndpoint::Protocol { protocol: Protocol::Rtsp, requested, application };
    let request = RelayRequest { endpoint, path: Some(&path), local_address };
    let upstream = match assignment {
        Some(assignment) => connect_assigned(front, client, assignment, request).await,
        None => connect(front, client, request).await,
    };
    match upstream {
        Ok(upstream) => {
            debug!(client = %client.address, path, host = upstream.assignment.host(), "RTSP client connected to edge");
            Some((downstream.stream, upstream, BytesMut::from(&received[..])))
        }
        Err(refusal) => {
            debug!(client = %client.address, path, %refusal, "RTSP client not relayed");
            let mut answer = Vec::new();
            let retry_after = Front::RETRY_AFTER_SECONDS.into();
            response::no_edge(&mut answer, cseq, &front.http_date(), retry_after, refusal.name());
            if downstream.answer(front, Protocol::Rtsp, &answer).await.is_ok() {
                downstream.finish(front.limits()).await;
            }
            None
        }
    }
}

/// A client and its edge while the media are set up.
struct Setup {
    client: Stream,
    edge: Stream,
    filter: SetupFilter,
    from_client: BytesMut,
    from_edge: BytesMut,
    to_client: Vec<u8>,
    to_edge: Vec<u8>,
}

impl Setup {
    fn new(front: &Front, client: Stream, edge: Stream, received: BytesMut) -> Self {
        Self {
            client,
            edge,
            filter: SetupFilter::new(front.limits().rtsp),
            from_client: received,
            from_edge: BytesMut::new(),
            to_client: Vec::new(),
            to_edge: Vec::new(),
        }
    }

    /// Passes messages until the filter is done, or one side has closed its direction, after which the other side may
    /// still respond. Returns false if the session has ended.
    async fn run(&mut self, front: &Front) -> bool {
        let limit = front.relay().settings.idle_timeout.unwrap_or(Duration::MAX);
        loop {
            let is_done = self.filter(front);
            let turn = async {
                self.send().await?;
                if is_done { Ok(false) } else { self.receive().await }
            };
            match timeout(limit, turn).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return true,
                Ok(Err(error)) => {
                    debug!(%error, "relayed session failed");
                    return false;
                }
                Err(_) => {
                    front.metrics().relay_closed("idle");
                    return false;
                }
            }
        }
    }

    /// Filters the bytes that have arrived. Returns whether the filter is done.
    fn filter(&mut self, front: &Front) -> bool {
        let Self { filter, from_client, from_edge, to_client, to_edge, .. } = self;
        filter.receive_from_edge(&mut &from_edge[..], to_client);
        from_edge.clear();
        let mut input = &from_client[..];
        filter.receive_from_client(&mut input, &front.http_date(), to_edge, to_client);
        let taken = from_client.len() - input.len();
        from_client.advance(taken);
        filter.is_done()
    }

    /// Sends the bytes that have passed the filter.
    async fn send(&mut self) -> io::Result<()> {
        // TLS may buffer bytes until it is flushed.
        self.edge.write_all(&self.to_edge).await?;
        self.edge.flush().await?;
        self.to_edge.clear();
        self.client.write_all(&self.to_client).await?;
        self.client.flush().await?;
        self.to_client.clear();
        Ok(())
    }

    /// Waits for bytes from either side. Returns false if one side has closed its direction.
    async fn receive(&mut self) -> io::Result<bool> {
        let reads_client = !self.filter.awaits_edge();
        // Without this, a buffer might grow by as little as 64 bytes, which would limit each read.
        self.from_client.reserve(READ_LENGTH);
        self.from_edge.reserve(READ_LENGTH);
        tokio::select! {
            length = self.client.read_buf(&mut self.from_client), if reads_client => Ok(length? > 0),
            length = self.edge.read_buf(&mut self.from_edge) => Ok(length? > 0),
        }
    }
}

#[cfg(test)]
mod tests;
