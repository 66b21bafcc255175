//! Serves one HTTP connection: responds to requests without a body, one after the other. The first other request is
//! passed to hyper with the rest of the connection.

use std::io;
use std::sync::Arc;

use bytes::Buf as _;
use weir_fleet::Protocol;

use crate::client::Client;
use crate::downstream::Downstream;
use crate::front::Front;
use crate::http::head::{self, HeadError};
use crate::http::hyper_server;
use crate::http::response::Framing;
use crate::http::route::respond;
use crate::http::simple::Simple;
use crate::rtsp::tunnel;

/// Length in bytes that few responses exceed.
const RESPONSE_CAPACITY: usize = 512;

/// Serves a connection of which `downstream` holds the first bytes. `admitted` are the protocols that the listener
/// admits: RTSP can be tunnelled in HTTP.
pub(crate) async fn serve(front: Arc<Front>, client: Client, admitted: &[Protocol], mut downstream: Downstream) {
    let limits = front.limits();
    let mut output = Vec::with_capacity(RESPONSE_CAPACITY);
    loop {
        if let Err(error) = read_head(&mut downstream, limits.http.head).await {
            // A client that has gone is not counted as rejected.
            if let Some(error) = error {
                front.metrics().reject_client(Protocol::Http.name(), error.reason());
                let response = error.response(limits.http.head);
                // Not `answer`, which could count it again.
                if downstream.send(response.as_bytes(), limits.linger).await.is_ok() {
                    downstream.finish(limits).await;
                }
            }
            return;
        }
        let Some(simple) = Simple::parse(&downstream.received) else {
            drop(output);
            // Boxed: large, and needed by few connections.
            return if !tunnel::is_tunnelled(&downstream.received) {
                Box::pin(hyper_server::serve(front, client, downstream)).await;
            } else if admitted.contains(&Protocol::Rtsp) {
                Box::pin(tunnel::serve(front, client, downstream)).await;
            } else {
                front.metrics().reject_client(Protocol::Rtsp.name(), "not-admitted");
            };
        };
        let Simple { request, length, is_http10, keep_alive } = simple;
        let framing = Framing { is_http10, keep_alive, is_head: request.is_head(), date: &front.http_date() };
        output.clear();
        respond(&front, client, &request).write(framing, &mut output);
        downstream.received.advance(length);
        if downstream.answer(&front, Protocol::Http, &output).await.is_err() {
            return;
        }
        if !keep_alive {
            return downstream.finish_answered(limits).await;
        }
        downstream.restart(limits.decision_timeout);
    }
}

/// Receives until the next head is complete. The error is `None` if the client has gone or is idle.
async fn read_head(downstream: &mut Downstream, limit: usize) -> Result<(), Option<HeadError>> {
    let mut seen = 0;
    while !head::is_complete(&downstream.received, seen, limit)? {
        seen = downstream.received.len();
        match downstream.receive().await {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut && seen > 0 => return Err(Some(HeadError::TooSlow)),
            Ok(false) | Err(_) => return Err(None),
        }
    }
    Ok(())
}
