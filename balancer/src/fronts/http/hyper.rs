//! A connection that hyper serves: HTTP/2, and HTTP/1 whose requests are more than a head.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming as Body;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use crate::fronts::http::bridge;
use crate::fronts::incoming::Incoming;
use crate::fronts::rewind::Rewind;
use crate::fronts::{Client, Front};

/// How a connection begins that speaks HTTP/2, whether TLS has agreed on that or the client simply knows (RFC 9113
/// section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// hyper takes no smaller buffer.
const MIN_BUFFER: usize = 8192;

/// Serves a connection of which `incoming` holds the first bytes.
pub(super) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    let is_http2 = incoming.received.starts_with(PREFACE);
    let stream = TokioIo::new(Rewind::new(incoming.received, incoming.stream));
    let served =
        if is_http2 { serve_http2(front, client, stream).await } else { serve_http1(front, client, stream).await };
    if let Err(error) = served {
        debug!(client = %client.address, %error, "http connection failed");
    }
}

type Stream = TokioIo<Rewind<crate::fronts::stream::Stream>>;

async fn serve_http1(front: Arc<Front>, client: Client, stream: Stream) -> hyper::Result<()> {
    let limits = front.limits();
    http1::Builder::new()
        // Case means nothing in HTTP, but old clients were written against servers that write it so.
        .title_case_headers(true)
        .timer(TokioTimer::new())
        // Counts for the later requests of a connection, and for the pause before them.
        .header_read_timeout(limits.decision_timeout)
        .max_buf_size(limits.http.head.max(MIN_BUFFER))
        .serve_connection(
            stream,
            service_fn(async |request| Ok::<_, Infallible>(bridge::respond(&front, client, request).await)),
        )
        .await
}

async fn serve_http2(front: Arc<Front>, client: Client, stream: Stream) -> hyper::Result<()> {
    let limits = front.limits().clone();
    let started = Instant::now();
    // Milliseconds after the start, of the last request.
    let last_request = Arc::new(AtomicU64::new(0));
    let service = {
        let last_request = Arc::clone(&last_request);
        service_fn(move |request: Request<Body>| {
            last_request.store(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(bridge::respond(&front, client, request).await) }
        })
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http.streams)
        .max_header_list_size(u32::try_from(limits.http.head).unwrap_or(u32::MAX))
        .serve_connection(stream, service);
    let mut connection = std::pin::pin!(connection);
    loop {
        let idle_since = started + Duration::from_millis(last_request.load(Ordering::Relaxed));
        let idle_until = idle_since + limits.decision_timeout;
        if idle_until <= Instant::now() {
            connection.as_mut().graceful_shutdown();
            return timeout(limits.linger, connection).await.unwrap_or(Ok(()));
        }
        tokio::select! {
            served = connection.as_mut() => return served,
            () = sleep_until(idle_until) => {}
        }
    }
}
