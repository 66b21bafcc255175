//! Serves one RTSP connection: dispatches the client, and relays it if it is not redirected.

use std::sync::Arc;

use super::dispatch::Dispatcher;
use super::relay::{EstablishedRelay, establish};
use crate::client::Client;
use crate::downstream::Downstream;
use crate::exchange;
use crate::front::Front;
use crate::relay::forward;

/// Serves a connection. `downstream` holds its first bytes.
pub(crate) async fn serve(front: Arc<Front>, client: Client, downstream: Downstream) {
    // Boxed, and so freed before the relay starts, which may take hours and needs none of it.
    let established = Box::pin(dispatch(&front, client, downstream)).await;
    if let Some(EstablishedRelay { client, edge, to_edge, to_client }) = established {
        Box::pin(forward(&front, client, edge, to_edge, to_client)).await;
    }
}

/// Answers a client, or connects it to an edge and passes their messages until the media are set up.
async fn dispatch(front: &Front, client: Client, downstream: Downstream) -> Option<EstablishedRelay> {
    let mut dispatcher = Dispatcher::new(front, client);
    let downstream = exchange::run(front, downstream, &mut dispatcher).await?;
    let pending = dispatcher.into_pending_relay()?;
    // Boxed, because few connections need the memory.
    Box::pin(establish(front, client, downstream, pending)).await
}
