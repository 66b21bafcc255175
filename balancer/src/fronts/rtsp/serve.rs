//! One RTSP connection: the client's conversation, and the relay of those that are not redirected.

use std::sync::Arc;

use super::caller::Caller;
use super::relay::relay;
use crate::fronts::conversation::hold;
use crate::fronts::incoming::Incoming;
use crate::fronts::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(in crate::fronts) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    let mut caller = Caller::new(&front, client);
    let incoming = hold(&front, incoming, &mut caller).await;
    if let (Some(incoming), Some(relayed)) = (incoming, caller.into_relayed()) {
        // Boxed, since few connections need the room.
        Box::pin(relay(&front, client, incoming, relayed)).await;
    }
}
