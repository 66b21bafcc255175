//! Serves a connection with hyper: HTTP/2, and HTTP/1 requests with a body or an unusual head.

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

use crate::answer::SLOW_READER;
use crate::client::Client;
use crate::downstream::{Downstream, finish};
use crate::front::Front;
use crate::http::bridge;
use crate::rewind::Rewind;

/// The first bytes of an HTTP/2 connection, negotiated by ALPN or with prior knowledge (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Minimum buffer size that hyper accepts.
const MIN_BUFFER: usize = 8192;

/// Serves a connection of which `downstream` holds the first bytes.
pub(super) async fn serve(front: Arc<Front>, client: Client, downstream: Downstream) {
    let is_http2 = downstream.received.starts_with(PREFACE);
    let stream = TokioIo::new(Rewind::new(downstream.received, downstream.stream));
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
        debug!(client = %client.address, %error, "HTTP connection failed");
    }
    if let Some(stream) = left {
        // hyper does not wait for the end of a request body, which may still be arriving.
        finish(stream, front.limits()).await;
    }
}

type Stream = TokioIo<Rewind<crate::stream::Stream>>;

/// Returns the connection, to be finished, unless it is unusable.
async fn serve_http1(
    front: &Front,
    client: Client,
    stream: Stream,
) -> (hyper::Result<()>, Option<Rewind<crate::stream::Stream>>) {
    let limits = front.limits();
    let last_request = LastRequest::default();
    let service = service_fn(|request| {
        last_request.record();
        // Boxed, because taking the connection back from hyper requires it to be `Unpin`.
        Box::pin(async { Ok::<_, Infallible>(bridge::respond_to_hyper(front, client, request).await) })
    });
    let mut connection = http1::Builder::new()
        // Header names are case-insensitive, but old clients were written for servers that use this case.
        .title_case_headers(true)
        // A client may close its direction and still wait for the response.
        .half_close(true)
        .timer(TokioTimer::new())
        // Applies to the later requests of a connection and the pauses before them.
        .header_read_timeout(limits.decision_timeout)
        .max_buf_size(limits.http.head.max(MIN_BUFFER))
        .serve_connection(stream, service);
    // A request body, the pause after it, and the head of the next request each have their own timeout. Anything longer
    // is a response that the client does not read.
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
            last_request.record();
            let front = Arc::clone(front);
            async move { Ok::<_, Infallible>(bridge::respond_to_hyper(&front, client, request).await) }
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

/// The time of the last request of a connection.
#[derive(Debug)]
struct LastRequest {
    started: Instant,
    /// Milliseconds between `started` and the last request.
    milliseconds: AtomicU64,
}

impl LastRequest {
    /// Records a request.
    fn record(&self) {
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    /// Waits until the last request is older than `age`.
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
