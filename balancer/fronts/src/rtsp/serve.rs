//! One RTSP connection: the client's conversation, and the relay of those that are not redirected.

use std::sync::Arc;

use super::caller::Caller;
use super::relay::{Met, meet};
use crate::conversation::hold;
use crate::incoming::Incoming;
use crate::relay::carry;
use crate::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(crate) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    // Boxed, and so given back before anything is carried: that may take hours, and all else is over then.
    let met = Box::pin(talk(&front, client, incoming)).await;
    if let Some(Met { client, edge, to_edge, to_client }) = met {
        Box::pin(carry(&front, client, edge, to_edge, to_client)).await;
    }
}

/// Talks to a client until it has been answered, or media are set up between it and an edge.
async fn talk(front: &Front, client: Client, incoming: Incoming) -> Option<Met> {
    let mut caller = Caller::new(front, client);
    let incoming = hold(front, incoming, &mut caller).await?;
    let relayed = caller.into_relayed()?;
    // Boxed, since few connections need the room.
    Box::pin(meet(front, client, incoming, relayed)).await
}
