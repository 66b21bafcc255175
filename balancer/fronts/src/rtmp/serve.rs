//! One RTMP connection: the client's conversation, and the relay of those that are not redirected.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use tracing::debug;
use weir_fleet::Protocol;

use super::answered;
use super::caller::{Caller, NO_SERVER, RelaySessions};
use super::opening::{self, Opening, Story};
use super::url::asked;
use super::{respond, write_rejection};
use crate::conversation::hold;
use crate::incoming::Incoming;
use crate::relay::{Error, Towards, Upstream, Wanted, carry, connect_and};
use crate::stream::Stream;
use crate::{Client, Front};

/// How many bytes of an edge are taken in at a time: its handshake and first answers have fewer.
const CHUNK: usize = 4096;

/// Serves a connection of which `incoming` holds the first bytes.
pub(crate) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    // Boxed, and so given back before anything is carried: that may take hours, and all else is over then.
    let brought = Box::pin(talk(&front, client, incoming)).await;
    if let Some((stream, upstream, to_client)) = brought {
        Box::pin(carry(&front, stream, upstream, Bytes::new(), to_client)).await;
    }
}

/// A client, its edge, and what the edge has sent first.
type Brought = (Stream, Upstream, Bytes);

/// Talks to a client until it has been answered, or is brought to an edge.
async fn talk(front: &Front, client: Client, incoming: Incoming) -> Option<Brought> {
    let mut caller = Caller::new(front, client);
    let incoming = hold(front, incoming, &mut caller).await?;
    let relayed = caller.into_relayed()?;
    // Boxed, since few connections need the room.
    Box::pin(bring(front, client, incoming, relayed)).await
}

/// Brings a client to an edge, or tells it that there is none.
async fn bring(front: &Front, client: Client, mut incoming: Incoming, relayed: RelaySessions) -> Option<Brought> {
    let reached = incoming.stream.local_address().ok()?;
    let RelaySessions { story, connect, path, promise } = relayed;
    let application = front.application(Protocol::Rtmp, &connect.app);
    let towards = Towards::Endpoint { protocol: Protocol::Rtmp, asked: asked(client, &connect), application };
    let wanted = Wanted { towards, path: path.as_deref(), reached };
    let greet = |stream| open(front, stream, story.clone());
    let description = match connect_and(front, client, wanted, greet).await {
        Ok((upstream, Ok(to_client))) => return Some((incoming.stream, upstream, to_client.into())),
        Ok((upstream, Err(error))) => {
            let host = upstream.destination.host();
            debug!(client = %client.address, host, %error, "an edge does not go on where the balancer began");
            front.metrics().reject_client(Protocol::Rtmp.name(), opening::Error::from(error).reason());
            "The server refused the connection."
        }
        Err(refusal) => {
            debug!(client = %client.address, %refusal, "rtmp relay");
            NO_SERVER
        }
    };
    let mut output = Vec::new();
    match promise {
        Some(promise) => respond::stream_failed(&mut output, promise.stream_id, promise.purpose, description),
        None => write_rejection(&mut output, connect.transaction, description, None),
    }
    if incoming.answer(front, Protocol::Rtmp, &output).await.is_ok() {
        incoming.finish(front.limits()).await;
    }
    None
}

/// What an edge sent first that is for the client, or why it cannot go on from where the client is. An edge that fails here
/// in another way has not heard of the client, or has not said so, and another may take it.
type Opened = Result<Vec<u8>, answered::Error>;

async fn open(front: &Front, mut stream: Stream, story: Story) -> Result<(Stream, Opened), Error> {
    // An edge that is stuck takes connections all the same: that it shakes hands is part of its being reached. What it says
    // to a connect it may have to ask others for.
    let reached = Instant::now() + front.relay().settings.connect_timeout;
    let answered = Instant::now() + front.limits().decision_timeout;
    let mut to_edge = Vec::new();
    let mut opening = Opening::new(story, front.limits().rtmp, &mut to_edge);
    let mut from_edge = BytesMut::with_capacity(CHUNK);
    loop {
        // A handshake is the same for all clients; what follows is what this one has said.
        let (deadline, failed): (_, fn(io::Error) -> Error) =
            if opening.has_shaken_hands() { (answered, Error::Declined) } else { (reached, Error::Greeting) };
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
        match opening.receive(&from_edge, &mut to_edge) {
            Ok(false) => {}
            Ok(true) => {
                let sent = timeout_at(answered, send(&mut stream, &to_edge)).await;
                sent.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(Error::Declined)?;
                return Ok((stream, Ok(opening.into_bytes())));
            }
            Err(opening::Error::NotRtmp) => {
                return Err(Error::Greeting(io::Error::new(io::ErrorKind::InvalidData, opening::Error::NotRtmp)));
            }
            Err(opening::Error::Answered(error)) => return Ok((stream, Err(error))),
        }
    }
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS keeps what the kernel does not take, and nobody would ask it to try again.
    stream.flush().await
}

#[cfg(test)]
mod tests;
