//! One HTTP connection: the first head within its limits, then hyper.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tracing::debug;

use crate::fleet::Protocol;
use crate::fronts::http::bridge;
use crate::fronts::http::head::{self, Refusal};
use crate::fronts::incoming::Incoming;
use crate::fronts::rewind::Rewind;
use crate::fronts::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(in crate::fronts) async fn serve(front: Arc<Front>, client: Client, mut incoming: Incoming) {
    let limit = front.limits().http.head;
    if let Err(refusal) = first_head(&mut incoming, limit).await {
        // A client that has gone is no client that was turned away.
        if let Some(refusal) = refusal {
            front.metrics().reject_client(Protocol::Http.name(), refusal.reason());
            let _ = incoming.stream.write_all(refusal.response(limit).as_bytes()).await;
            incoming.finish(front.limits()).await;
        }
        return;
    }
    let served = http1::Builder::new()
        // Case means nothing in HTTP, but old clients were written against servers that write it so.
        .title_case_headers(true)
        .timer(TokioTimer::new())
        // Counts for the later requests of a connection, and for the pause before them.
        .header_read_timeout(front.limits().decision_timeout)
        .max_buf_size(limit.max(MIN_BUFFER))
        .serve_connection(
            TokioIo::new(Rewind::new(incoming.received, incoming.stream)),
            service_fn(async |request| Ok::<_, Infallible>(bridge::respond(&front, client, request).await)),
        )
        .await;
    if let Err(error) = served {
        debug!(client = %client.address, %error, "http connection failed");
    }
}

/// hyper takes no smaller buffer.
const MIN_BUFFER: usize = 8192;

/// Reads until the first head is complete. `None` as the error: the client has gone.
async fn first_head(incoming: &mut Incoming, limit: usize) -> Result<(), Option<Refusal>> {
    let mut seen = 0;
    while !head::is_complete(&incoming.received, seen, limit)? {
        seen = incoming.received.len();
        match incoming.receive().await {
            Ok(true) => {}
            Ok(false) => return Err(None),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Err(Some(Refusal::TooSlow)),
            Err(_) => return Err(None),
        }
    }
    Ok(())
}
