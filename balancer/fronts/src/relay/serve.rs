//! A listener whose every connection is relayed, whatever it speaks.

use std::num::NonZeroU16;

use bytes::Bytes;
use tracing::debug;

use crate::incoming::Incoming;
use crate::relay::{Towards, Wanted, carry, connect};
use crate::{Client, Front};

/// Relays a connection to this port of an edge. Nothing of it is awaited: the edge may be the one to speak first.
pub(crate) async fn serve(front: &Front, client: Client, port: NonZeroU16, incoming: Incoming) {
    let Incoming { stream, received, .. } = incoming;
    let Ok(reached) = stream.local_address() else { return };
    let wanted = Wanted { towards: Towards::Port(port.get()), path: None, reached };
    match connect(front, client, wanted).await {
        Ok(upstream) => carry(front, stream, upstream, received.freeze(), Bytes::new()).await,
        // Nothing can be said in a protocol that is not known.
        Err(refusal) => debug!(client = %client.address, %refusal, "relay"),
    }
}
