//! The HTTP server of the administration: accepts connections.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::debug;
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::{ClientZones, Selector, Snapshot};
use weir_program::clock::Clock;
use weir_program::metrics::Registry;
use weir_protocol::{Action, EdgeId};

use crate::kernel::KernelMode;
use crate::token::Token;

/// Maximum time for the head of a request to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The administration, with access to everything that it shows.
#[derive(Debug)]
pub struct Admin {
    /// The published fleet.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Explains its choices from the fleet.
    pub selector: Arc<Selector>,
    /// The zones of clients.
    pub zones: Arc<ArcSwap<ClientZones>>,
    /// The clock of the fleet.
    pub clock: Clock,
    /// Maximum number of concurrent connections; further ones are closed at once.
    pub connections: usize,
    /// The metrics exposed at `/metrics`.
    pub metrics: Registry,
    /// The sessions relayed to edges.
    pub relayed: Arc<dyn RelaySource>,
    /// Kernel mode, if it is configured.
    pub kernel: Option<Arc<dyn KernelMode>>,
    /// Whether all clients are served by the kernel, so that health and readiness are those of kernel mode.
    pub is_kernel_only: bool,
    /// The operators' token.
    pub token: Token,
    /// Takes the operators' commands.
    pub commands: mpsc::Sender<CommandRequest>,
}

/// A source of relay counters.
pub trait RelaySource: fmt::Debug + Send + Sync {
    /// Returns the counters of every tracked edge to which sessions have been relayed.
    fn by_edge(&self) -> HashMap<EdgeId, RelayCounters>;
}

/// An operator's command for an edge.
#[derive(Debug)]
pub struct CommandRequest {
    /// The edge.
    pub edge: EdgeId,
    /// The command.
    pub action: Action,
    /// Takes the id of the queued command, or `None` when the edge is unknown.
    pub reply: oneshot::Sender<Option<u64>>,
}

impl Admin {
    /// Serves requests on `listener` until `shutdown` resolves.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let permits = Arc::new(Semaphore::new(self.connections));
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
                    debug!(%error, "admin connection cannot be accepted");
                    // Most likely the process is out of file descriptors; the pause lets other tasks close theirs.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // A connection beyond the limit is closed at once.
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
            let admin = Arc::clone(&admin);
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let admin = Arc::clone(&admin);
                    async move { Ok::<_, Infallible>(admin.respond(&request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    debug!(%error, "admin connection failed");
                }
                drop(permit);
            });
        }
    }
}
