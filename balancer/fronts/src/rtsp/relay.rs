//! A client that follows no redirect is brought to its edge.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::debug;
use weir_fleet::Protocol;

use super::caller::RelaySessions;
use super::gate::Gate;
use super::respond;
use crate::incoming::Incoming;
use crate::relay::{Towards, Upstream, Wanted, connect, connect_to};
use crate::stream::Stream;
use crate::{Client, Front};

/// How many bytes are taken in at a time from either end until the gate is open: a message seldom has more.
const CHUNK: usize = 4096;

/// A client and its edge once nothing stands between them, and what each is to get first.
pub(super) struct Met {
    pub(super) client: Stream,
    pub(super) edge: Upstream,
    pub(super) to_edge: Bytes,
    pub(super) to_client: Bytes,
}

/// Connects the client with an edge, tells that what the client has said, and lets both talk until it is settled how the
/// media travel. Nothing when the session has ended before.
pub(super) async fn meet(front: &Front, client: Client, incoming: Incoming, relayed: RelaySessions) -> Option<Met> {
    let (client, upstream, said) = bring(front, client, incoming, relayed).await?;
    let Upstream { stream: edge, destination, session } = upstream;
    let mut meeting = Meeting::new(front, client, edge, said);
    let goes_on = tokio::select! {
        goes_on = meeting.hold(front) => goes_on,
        () = session.must_end() => {
            front.metrics().relay_closed("drained");
            false
        }
    };
    if !goes_on {
        return None;
    }
    let Meeting { client, edge, gate, .. } = meeting;
    let (to_edge, to_client) = gate.into_held();
    let edge = Upstream { stream: edge, destination, session };
    Some(Met { client, edge, to_edge: to_edge.into(), to_client: to_client.into() })
}

/// Connects the client with an edge, or tells it that there is none. Gives back both ends, and what the client has said.
async fn bring(
    front: &Front,
    client: Client,
    mut incoming: Incoming,
    relayed: RelaySessions,
) -> Option<(Stream, Upstream, BytesMut)> {
    let RelaySessions { said, cseq, path, asked, sent } = relayed;
    let reached = incoming.stream.local_address().ok()?;
    let application = front.application(Protocol::Rtsp, &path);
    let towards = Towards::Endpoint { protocol: Protocol::Rtsp, asked, application };
    let wanted = Wanted { towards, path: Some(&path), reached };
    let upstream = match sent {
        Some(destination) => connect_to(front, client, destination, wanted).await,
        None => connect(front, client, wanted).await,
    };
    match upstream {
        Ok(upstream) => {
            debug!(client = %client.address, path, host = upstream.destination.host(), "rtsp relay");
            Some((incoming.stream, upstream, BytesMut::from(&said[..])))
        }
        Err(refusal) => {
            debug!(client = %client.address, path, %refusal, "rtsp");
            let mut answer = Vec::new();
            let retry_after = Front::RETRY_AFTER_SECONDS.into();
            respond::no_edge(&mut answer, cseq, &front.http_date(), retry_after, refusal.name());
            if incoming.answer(front, Protocol::Rtsp, &answer).await.is_ok() {
                incoming.finish(front.limits()).await;
            }
            None
        }
    }
}

/// A client and its edge, with the gate between them.
struct Meeting {
    client: Stream,
    edge: Stream,
    gate: Gate,
    from_client: BytesMut,
    from_edge: BytesMut,
    to_client: Vec<u8>,
    to_edge: Vec<u8>,
}

impl Meeting {
    fn new(front: &Front, client: Stream, edge: Stream, said: BytesMut) -> Self {
        Self {
            client,
            edge,
            gate: Gate::new(front.limits().rtsp),
            from_client: said,
            from_edge: BytesMut::new(),
            to_client: Vec::new(),
            to_edge: Vec::new(),
        }
    }

    /// Lets both talk until the gate is open, or one has said all that it will: the other may still answer. False when
    /// the session is over.
    async fn hold(&mut self, front: &Front) -> bool {
        let limit = front.relay().settings.idle_timeout.unwrap_or(Duration::MAX);
        loop {
            let is_open = self.judge(front);
            let turn = async {
                self.send().await?;
                if is_open { Ok(false) } else { self.listen().await }
            };
            match timeout(limit, turn).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return true,
                Ok(Err(error)) => {
                    debug!(%error, "a relayed session failed");
                    return false;
                }
                Err(_) => {
                    front.metrics().relay_closed("idle");
                    return false;
                }
            }
        }
    }

    /// Takes what has come through the gate; whether that is open.
    fn judge(&mut self, front: &Front) -> bool {
        let Self { gate, from_client, from_edge, to_client, to_edge, .. } = self;
        gate.edge_says(&mut &from_edge[..], to_client);
        from_edge.clear();
        let mut said = &from_client[..];
        gate.client_says(&mut said, &front.http_date(), to_edge, to_client);
        let taken = from_client.len() - said.len();
        from_client.advance(taken);
        gate.is_open()
    }

    /// Sends what has passed.
    async fn send(&mut self) -> io::Result<()> {
        // TLS may keep something to itself until it is told to flush.
        self.edge.write_all(&self.to_edge).await?;
        self.edge.flush().await?;
        self.to_edge.clear();
        self.client.write_all(&self.to_client).await?;
        self.client.flush().await?;
        self.to_client.clear();
        Ok(())
    }

    /// Waits until either end says something; false when one will say no more.
    async fn listen(&mut self) -> io::Result<bool> {
        let listens = !self.gate.is_waiting();
        // By itself a buffer would grow by as little as 64 bytes at a time, and so would each read.
        self.from_client.reserve(CHUNK);
        self.from_edge.reserve(CHUNK);
        tokio::select! {
            length = self.client.read_buf(&mut self.from_client), if listens => Ok(length? > 0),
            length = self.edge.read_buf(&mut self.from_edge) => Ok(length? > 0),
        }
    }
}

#[cfg(test)]
mod tests;
