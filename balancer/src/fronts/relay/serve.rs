//! A listener whose every connection is relayed, whatever it speaks.

use std::net::TcpStream;
use std::num::NonZeroU16;

use bytes::Bytes;
use tracing::debug;

use crate::fronts::relay::{Towards, Wanted, carry, connect};
use crate::fronts::socket::Socket;
use crate::fronts::stream::Stream;
use crate::fronts::{Client, Front};

/// Relays a connection to this port of an edge. Nothing of it is awaited: the edge may be the one to speak first.
pub(in crate::fronts) async fn serve(front: &Front, client: Client, port: NonZeroU16, stream: TcpStream) {
    let stream = Stream::Plain(Socket::new(stream));
    let Ok(reached) = stream.local_address() else { return };
    let wanted = Wanted { towards: Towards::Port(port.get()), path: None, reached };
    match connect(front, client, wanted).await {
        Ok(upstream) => carry(front, stream, upstream, Bytes::new(), Bytes::new()).await,
        // Nothing can be said in a protocol that is not known.
        Err(refusal) => debug!(client = %client.address, %refusal, "relay"),
    }
}
