//! A client that follows no redirect is brought to its edge.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::debug;

use super::caller::Relayed;
use super::gate::Gate;
use super::respond;
use crate::fleet::Protocol;
use crate::fronts::incoming::Incoming;
use crate::fronts::relay::{Towards, Upstream, Wanted, carry, connect, connect_to};
use crate::fronts::stream::Stream;
use crate::fronts::{Client, Front};

/// Connects the client with an edge, tells that what the client has said, and carries both ways.
pub(super) async fn relay(front: &Front, client: Client, mut incoming: Incoming, relayed: Relayed) {
    let Relayed { said, cseq, path, asked, sent } = relayed;
    let Ok(reached) = incoming.stream.local_address() else { return };
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
            Meeting::new(front, incoming.stream, upstream, &said).hold(front).await;
        }
        Err(refusal) => {
            debug!(client = %client.address, path, %refusal, "rtsp");
            let mut answer = Vec::new();
            let retry_after = Front::RETRY_AFTER_SECONDS.into();
            respond::no_edge(&mut answer, cseq, &front.http_date(), retry_after, refusal.name());
            if incoming.answer(front, Protocol::Rtsp, &answer).await.is_ok() {
                incoming.finish(front.limits()).await;
            }
        }
    }
}

/// A client and its edge, with the gate between them.
struct Meeting {
    client: Stream,
    edge: Upstream,
    gate: Gate,
    from_client: BytesMut,
    from_edge: BytesMut,
    to_client: Vec<u8>,
    to_edge: Vec<u8>,
}

impl Meeting {
    fn new(front: &Front, client: Stream, edge: Upstream, said: &[u8]) -> Self {
        Self {
            client,
            edge,
            gate: Gate::new(front.limits().rtsp),
            from_client: said.into(),
            from_edge: BytesMut::new(),
            to_client: Vec::new(),
            to_edge: Vec::new(),
        }
    }

    /// Lets both talk until the gate is open, and then carries what they say.
    async fn hold(mut self, front: &Front) {
        let limit = front.relay().settings.idle_timeout.unwrap_or(Duration::MAX);
        loop {
            let is_open = self.judge(front);
            let turn = async {
                self.send().await?;
                if is_open { Ok(false) } else { self.listen().await }
            };
            match timeout(limit, turn).await {
                Ok(Ok(true)) => {}
                // One has said all that it will: the other may still answer.
                Ok(Ok(false)) => break,
                Ok(Err(_)) | Err(_) => return,
            }
        }
        carry(front, self.client, self.edge, Bytes::new(), Bytes::new()).await;
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
        self.edge.stream.write_all(&self.to_edge).await?;
        self.edge.stream.flush().await?;
        self.to_edge.clear();
        self.client.write_all(&self.to_client).await?;
        self.client.flush().await?;
        self.to_client.clear();
        Ok(())
    }

    /// Waits until either end says something; false when one will say no more.
    async fn listen(&mut self) -> io::Result<bool> {
        let listens = !self.gate.is_waiting();
        tokio::select! {
            length = self.client.read_buf(&mut self.from_client), if listens => Ok(length? > 0),
            length = self.edge.stream.read_buf(&mut self.from_edge) => Ok(length? > 0),
        }
    }
}
