//! The state that all workers share.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use weir_fleet::{ClientZones, Selector, Snapshot};
use weir_program::clock::Clock;

use crate::log_limits::LogLimits;
use crate::loop_limit::LoopLimit;
use crate::metrics::Metrics;
use crate::permits::Permits;
use crate::relay::{Relay, RelaySessions};
use crate::rtsp::tunnel::Tunnels;
use crate::settings::{Application, Http, Limits, OverflowTarget, Settings};

/// The parts of a balancer that its fronts depend on.
#[derive(Debug)]
pub struct Environment {
    /// The current snapshot of the fleet.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// Selects edges from the snapshot.
    pub selector: Arc<Selector>,
    /// Maps client addresses to zones.
    pub zones: Arc<ArcSwap<ClientZones>>,
    /// The clock by which reports are timed.
    pub clock: Clock,
    /// Metrics of the fronts.
    pub metrics: Metrics,
    /// Registry of relayed sessions.
    pub relayed: Arc<RelaySessions>,
    /// Addresses of the client listeners: no client is relayed to one of them.
    pub listening: Vec<SocketAddr>,
    /// TLS configuration of the listeners; without one, TLS is rejected.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
    /// TLS configuration for connections to edges.
    pub edge_tls: Arc<ClientConfig>,
}

/// The state that all workers share.
#[derive(Debug)]
pub struct Shared {
    pub(crate) fleet: Arc<ArcSwap<Snapshot>>,
    pub(crate) selector: Arc<Selector>,
    pub(crate) overflow: Vec<Arc<OverflowTarget>>,
    pub(crate) zones: Arc<ArcSwap<ClientZones>>,
    pub(crate) clock: Clock,
    pub(crate) applications: Vec<Application>,
    pub(crate) limits: Limits,
    pub(crate) http: Http,
    pub(crate) hop_mark: Option<String>,
    pub(crate) metrics: Metrics,
    /// Detects clients that are redirected in a loop.
    pub(crate) loop_limit: LoopLimit,
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) relay: Relay,
    /// Keeps clients from filling the log.
    pub(crate) log_limits: LogLimits,
    /// Limits the number of client connections.
    pub(crate) permits: Arc<Permits>,
    /// RTSP tunnels of which one of the two HTTP connections is open.
    pub(crate) tunnels: Tunnels,
    pub(crate) tls: Option<Arc<ArcSwap<ServerConfig>>>,
}

impl Shared {
    /// Creates the shared state from `settings` and the rest of the balancer.
    #[must_use]
    pub fn new(settings: Settings, environment: Environment) -> Self {
        let Settings { applications, http, relay, limits, overflow, hop_mark } = settings;
        let Environment { fleet, selector, zones, clock, metrics, relayed, listening, tls, edge_tls } = environment;
        let permits = Arc::new(Permits::new(metrics.open_connections.clone()));
        Self {
            fleet,
            selector,
            overflow: overflow.into_iter().map(Arc::new).collect(),
            zones,
            clock,
            applications,
            limits,
            http,
            hop_mark,
            metrics,
            loop_limit: LoopLimit::default(),
            listening,
            relay: Relay::new(relay, edge_tls, relayed),
            log_limits: LogLimits::default(),
            permits,
            tunnels: Tunnels::default(),
            tls,
        }
    }
}
