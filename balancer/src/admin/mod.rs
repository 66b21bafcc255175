//! What operators and monitoring talk to: health and metrics.

mod health;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::debug;

use crate::clock::Clock;
use crate::fleet::Snapshot;
use crate::metrics::Metrics;

/// How long a request may take to arrive. Its clients are near.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the administration reads.
#[derive(Debug)]
pub struct Admin {
    /// Where the fleet is published.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// For what age a report has.
    pub clock: Clock,
    /// An edge silent for longer gets no clients.
    pub timeout: Duration,
    /// How many connections are served at a time.
    pub connections: usize,
    /// What is shown at `/metrics`.
    pub metrics: Arc<Metrics>,
}

impl Admin {
    /// Answers on `listener` until `shutdown` is done.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.connections));
        let admin = Arc::new(self);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => return,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    debug!(%error, "a connection to the administration could not be accepted");
                    // Out of file descriptors, most likely: others need a chance to close theirs.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // One more than the limit is closed at once.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let admin = Arc::clone(&admin);
            tokio::spawn(async move {
                let service = service_fn(|request| ready(Ok::<_, Infallible>(admin.answer(&request))));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    debug!(%error, "a connection to the administration failed");
                }
                drop(place);
            });
        }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed here.\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match health::ready(&self.fleet.load(), self.clock.now(), self.timeout) {
                Ok(report) => text(StatusCode::OK, report),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            "/metrics" => {
                self.metrics.set_fleet(&self.fleet.load());
                let mut answer = text(StatusCode::OK, self.metrics.render());
                let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                answer.headers_mut().insert(CONTENT_TYPE, format);
                answer
            }
            _ => text(StatusCode::NOT_FOUND, "Nothing is here. Try /healthz, /readyz or /metrics.\n"),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
