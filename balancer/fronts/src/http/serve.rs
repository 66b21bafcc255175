//! One HTTP connection: requests that are no more than a head are answered here, one after the other; the first that is
//! more goes to hyper, with the rest of the connection.

use std::io;
use std::sync::Arc;

use bytes::Buf as _;
use weir_fleet::Protocol;

use crate::http::answer::Framing;
use crate::http::head::{self, Refusal};
use crate::http::hyper;
use crate::http::route::answer;
use crate::http::simple::Simple;
use crate::incoming::Incoming;
use crate::rtsp::tunnel::is_tunnelled;
use crate::{Client, Front};

/// Bytes that nearly every answer fits in.
const MOST_ANSWERS: usize = 512;

/// Serves a connection of which `incoming` holds the first bytes.
///
/// Gives it back when its next request is half of an RTSP tunnel, and not for this front.
pub(crate) async fn serve(front: Arc<Front>, client: Client, mut incoming: Incoming) -> Option<Incoming> {
    let limits = front.limits();
    let mut output = Vec::with_capacity(MOST_ANSWERS);
    loop {
        if let Err(refusal) = read_head(&mut incoming, limits.http.head).await {
            // A client that has gone is no client that was turned away.
            if let Some(refusal) = refusal {
                front.metrics().reject_client(Protocol::Http.name(), refusal.reason());
                let response = refusal.response(limits.http.head);
                // It is counted already, and has had its time.
                if incoming.send(response.as_bytes(), limits.linger).await.is_ok() {
                    incoming.finish(limits).await;
                }
            }
            return None;
        }
        let Some(simple) = Simple::parse(&incoming.received) else {
            if is_tunnelled(&incoming.received) {
                return Some(incoming);
            }
            // Boxed, since few connections need the room.
            Box::pin(hyper::serve(front, client, incoming)).await;
            return None;
        };
        let Simple { request, length, is_old, keep_alive } = simple;
        let framing = Framing { is_old, keep_alive, is_head: request.is_head(), date: &front.http_date() };
        output.clear();
        answer(&front, client, &request).write(framing, &mut output);
        incoming.received.advance(length);
        if incoming.answer(&front, Protocol::Http, &output).await.is_err() {
            return None;
        }
        if !keep_alive {
            incoming.finish_answered(limits).await;
            return None;
        }
        incoming.restart(limits.decision_timeout);
    }
}

/// Reads until the next head is complete. `None` as the error: the client has gone, or says nothing more.
async fn read_head(incoming: &mut Incoming, limit: usize) -> Result<(), Option<Refusal>> {
    let mut seen = 0;
    while !head::is_complete(&incoming.received, seen, limit)? {
        seen = incoming.received.len();
        match incoming.receive().await {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut && seen > 0 => return Err(Some(Refusal::TooSlow)),
            Ok(false) | Err(_) => return Err(None),
        }
    }
    Ok(())
}
