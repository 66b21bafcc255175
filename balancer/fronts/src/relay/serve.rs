//! Listeners with a `relay_port`, which relay every connection whatever its protocol.

use std::num::NonZeroU16;

use bytes::Bytes;
use tracing::debug;

use crate::client::Client;
use crate::downstream::Downstream;
use crate::front::Front;
use crate::relay::{EdgeEndpoint, RelayRequest, connect, forward};

/// Relays a connection to this port of an edge. Does not wait for the client's bytes: the edge may send first.
pub(crate) async fn serve(front: &Front, client: Client, port: NonZeroU16, downstream: Downstream) {
    let Downstream { stream, received, .. } = downstream;
    let Ok(local_address) = stream.local_address() else { return };
    let request = RelayRequest { endpoint: EdgeEndpoint::Port(port.get()), path: None, local_address };
    match connect(front, client, request).await {
        Ok(upstream) => forward(front, stream, upstream, received.freeze(), Bytes::new()).await,
        // An unknown protocol cannot express an error, so the connection is only closed.
        Err(refusal) => debug!(client = %client.address, reason = refusal.name(), "client not relayed"),
    }
}
