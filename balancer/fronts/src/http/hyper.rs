//! A connection that hyper serves: HTTP/2, and HTTP/1 whose requests are more than a head.

use std::convert::Infallible;
use std::future::poll_fn;
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
use weir_fleet::Protocol;

use crate::http::bridge;
use crate::incoming::{Incoming, SLOW_READER, finish};
use crate::rewind::Rewind;
use crate::{Client, Front};

/// How a connection begins that speaks HTTP/2, whether TLS has agreed on that or the client simply knows (RFC 9113
/// section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// hyper takes no smaller buffer.
const MIN_BUFFER: usize = 8192;

/// Serves a connection of which `incoming` holds the first bytes.
pub(super) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    let is_http2 = incoming.received.starts_with(PREFACE);
    let stream = TokioIo::new(Rewind::new(incoming.received, incoming.stream));
    let (served, left) = if is_http2 {
        (serve_http2(&front, client, stream).await, None)
    } else {
        serve_http1(&front, client, stream).await
    };
    if let Err(error) = served {
        let reason = match &error {
            _ if error.is_parse_too_large() => Some("head-too-long"),
            _ if error.is_parse() => Some("bad-request"),
            _ => None,
        };
        if let Some(reason) = reason {
            front.metrics().reject_client(Protocol::Http.name(), reason);
        }
        debug!(client = %client.address, %error, "http connection failed");
    }
    if let Some(stream) = left {
        // Of a request with a body, which hyper does not wait for, the rest may still be on its way.
        finish(stream, front.limits()).await;
    }
}

type Stream = TokioIo<Rewind<crate::stream::Stream>>;

/// Gives back the connection, to be finished, unless it is of no more use.
async fn serve_http1(
    front: &Front,
    client: Client,
    stream: Stream,
) -> (hyper::Result<()>, Option<Rewind<crate::stream::Stream>>) {
    let limits = front.limits();
    let last_request = LastRequest::default();
    let service = service_fn(|request| {
        last_request.note();
        // Boxed, since a connection that is taken back from hyper must be one that could be moved.
        Box::pin(async { Ok::<_, Infallible>(bridge::respond(front, client, request).await) })
    });
    let mut connection = http1::Builder::new()
        // Case means nothing in HTTP, but old clients were written against servers that write it so.
        .title_case_headers(true)
        // A client may say that nothing more will come, and still wait for its answer.
        .half_close(true)
        .timer(TokioTimer::new())
        // Counts for the later requests of a connection, and for the pause before them.
        .header_read_timeout(limits.decision_timeout)
        .max_buf_size(limits.http.head.max(MIN_BUFFER))
        .serve_connection(stream, service);
    // A request's body has its time, and so have the pause after it and the head of the next: what takes longer is an
    // answer that the client does not read.
    let stuck = limits.decision_timeout.saturating_mul(3);
    let served = tokio::select! {
        served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(served),
        () = last_request.until_older_than(stuck) => None,
    };
    let stream = connection.into_parts().io.into_inner();
    let Some(served) = served else {
        front.metrics().reject_client(Protocol::Http.name(), SLOW_READER);
        stream.inner().forget_unsent();
        return (Ok(()), None);
    };
    (served, Some(stream))
}

async fn serve_http2(front: &Arc<Front>, client: Client, stream: Stream) -> hyper::Result<()> {
    let limits = front.limits().clone();
    let last_request = Arc::new(LastRequest::default());
    let service = {
        let last_request = Arc::clone(&last_request);
        service_fn(move |request: Request<Body>| {
            last_request.note();
            let front = Arc::clone(front);
            async move { Ok::<_, Infallible>(bridge::respond(&front, client, request).await) }
        })
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http.streams)
        .max_header_list_size(u32::try_from(limits.http.head).unwrap_or(u32::MAX))
        .serve_connection(stream, service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = last_request.until_older_than(limits.decision_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(limits.linger, connection).await.unwrap_or(Ok(()))
}

/// When a connection had its last request.
#[derive(Debug)]
struct LastRequest {
    started: Instant,
    /// After the start.
    milliseconds: AtomicU64,
}

impl LastRequest {
    /// There is one now.
    fn note(&self) {
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    /// Waits until there was none for this long.
    async fn until_older_than(&self, age: Duration) {
        loop {
            let end = self.started + Duration::from_millis(self.milliseconds.load(Ordering::Relaxed)) + age;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

impl Default for LastRequest {
    fn default() -> Self {
        Self { started: Instant::now(), milliseconds: AtomicU64::new(0) }
    }
}
