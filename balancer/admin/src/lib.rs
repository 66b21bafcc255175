//! What operators and monitoring talk to.
//!
//! | module      | what it holds                              |
//! |-------------|--------------------------------------------|
//! | [`health`]  | whether the balancer can do its work       |
//! | [`api`]     | the edges, and what operators want of them |
//! | [`explain`] | what a client would get, and why           |
//! | [`error`]   | why a call is refused                      |
//! | [`kernel`]  | how kernel mode is doing                   |
//! | [`settings`] | `[admin]`                                 |
//! | [`token`]   | what operators show                        |

#![forbid(unsafe_code)]

mod api;
mod error;
mod explain;
mod health;
mod kernel;
pub mod settings;
pub mod token;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::debug;
use weir_fleet::relay_counters::RelayCounters;
use weir_program::random;
use weir_protocol::{Action, EdgeId};

use crate::api::{Call, Edges};
use crate::explain::Explained;
pub use crate::kernel::{CountedView, FamilyView, KernelMode, KernelView, ServerView, ServiceView, SysctlView};
pub use crate::settings::Settings;
pub use crate::token::Token;
use weir_fleet::{ClientZones, Selector, Snapshot, Time};
use weir_program::clock::Clock;

/// How long a request may take to arrive. Its clients are near.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the administration reads.
#[derive(Debug)]
pub struct Admin {
    /// Where the fleet is published.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Chooses from it.
    pub selector: Arc<Selector>,
    /// Where clients are.
    pub zones: Arc<ArcSwap<ClientZones>>,
    /// For what age a report has.
    pub clock: Clock,
    /// How many connections are served at a time.
    pub connections: usize,
    /// What is shown at `/metrics`.
    pub metrics: Registry,
    /// What is relayed to edges.
    pub relayed: Arc<dyn RelaySource>,
    /// Kernel mode, where it is configured.
    pub kernel: Option<Arc<dyn KernelMode>>,
    /// Whether clients come to the kernel alone.
    pub is_kernel_only: bool,
    /// What operators show.
    pub token: Token,
    /// Where their orders go.
    pub commands: mpsc::Sender<CommandRequest>,
}

/// What is relayed to edges, as the administration asks for it.
pub trait RelaySource: fmt::Debug + Send + Sync {
    /// What was relayed to each edge that still is known.
    fn by_edge(&self) -> HashMap<EdgeId, RelayCounters>;
}

/// An operator wants this of an edge.
#[derive(Debug)]
pub struct CommandRequest {
    /// Which.
    pub edge: EdgeId,
    /// What it is to do.
    pub action: Action,
    /// Takes the id of the command, or nothing when the edge is not known.
    pub reply: oneshot::Sender<Option<u64>>,
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
                let service = service_fn(|request| {
                    let admin = Arc::clone(&admin);
                    async move { Ok::<_, Infallible>(admin.answer(&request).await) }
                });
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

    async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let path = request.uri().path();
        if let Some(call) = path.strip_prefix("/api/v1/") {
            return self.call(request, call).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed here.\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match path {
            "/healthz" => self.health(),
            "/readyz" => match self.ready() {
                Ok(report) => text(StatusCode::OK, report),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            "/metrics" => {
                // A family without a value is the only thing that this can fail on, and is not gathered.
                let text = TextEncoder::new().encode_to_string(&self.metrics.gather()).unwrap_or_default();
                content(StatusCode::OK, prometheus::TEXT_FORMAT, text)
            }
            _ => text(StatusCode::NOT_FOUND, "Nothing is here. Try /healthz, /readyz, /metrics or /api/v1/edges.\n"),
        }
    }

    /// Whether this balancer does its work. Without the kernel it still redirects, if that is part of it.
    fn health(&self) -> Answer {
        let Some(kernel) = &self.kernel else { return text(StatusCode::OK, "ok\n") };
        match kernel.health() {
            Ok(()) => text(StatusCode::OK, "ok\nkernel mode: ok\n"),
            Err(reason) if self.is_kernel_only => {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("kernel mode: {reason}\n"))
            }
            Err(reason) => text(StatusCode::OK, format!("ok\nkernel mode: {reason}\n")),
        }
    }

    fn now(&self) -> Time {
        Time::after_origin(self.clock.elapsed())
    }

    fn ready(&self) -> Result<String, String> {
        if let Some(kernel) = self.kernel.as_ref().filter(|_| self.is_kernel_only) {
            return match kernel.readiness() {
                Ok(services) => Ok(format!("ready: {services} services in the kernel\n")),
                Err(reason) => Err(format!("not ready: {reason}\n")),
            };
        }
        health::ready(&self.fleet.load(), self.now())
    }

    /// A call of the API. Nothing is said or done without the token, not even on the loopback: a page in a browser on
    /// this machine can send requests too.
    async fn call<B>(&self, request: &Request<B>, call: &str) -> Answer {
        if !self.token.is_shown(request.headers()) {
            let mut refused = problem(StatusCode::UNAUTHORIZED, "Show the token: Authorization: Bearer TOKEN.");
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refused;
        }
        match api::parse(request.method(), call, request.uri().query()) {
            Ok(Call::Edges) => {
                json(StatusCode::OK, &Edges::new(&self.fleet.load(), &self.relayed.by_edge(), self.now()))
            }
            Ok(Call::Kernel) => {
                json(StatusCode::OK, &self.kernel.as_ref().map_or_else(KernelView::off, |kernel| kernel.view()))
            }
            Ok(Call::Explain(question)) => {
                let (snapshot, zones) = (self.fleet.load(), self.zones.load());
                let random = u64::from_ne_bytes(random::bytes());
                let explained = Explained::new(&question, &self.selector, &snapshot, &zones, self.now(), random);
                json(StatusCode::OK, &explained)
            }
            Ok(Call::Command(edge, action)) => {
                let (reply, replied) = oneshot::channel();
                // Without an intake the balancer is stopping.
                let _ = self.commands.send(CommandRequest { edge, action, reply }).await;
                match replied.await {
                    Ok(Some(id)) => json(StatusCode::ACCEPTED, &serde_json::json!({ "command": format!("{id:016x}") })),
                    Ok(None) => problem(StatusCode::NOT_FOUND, &format!("Edge {edge} is not known.")),
                    Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "The balancer is stopping."),
                }
            }
            Err((status, sentence)) => problem(status, &sentence),
        }
    }
}

/// A whole answer.
type Answer = Response<Full<Bytes>>;

fn problem(status: StatusCode, sentence: &str) -> Answer {
    json(status, &serde_json::json!({ "error": sentence }))
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Strings, numbers and lists of them can always be written.
    let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
    body.push(b'\n');
    content(status, "application/json", body)
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    content(status, "text/plain; charset=utf-8", body)
}

fn content(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
