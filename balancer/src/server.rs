//! The balancer: its parts wired together.
//!
//! Worker threads serve clients, each with its own runtime and sockets. The thread that calls [`Server::run`] is the
//! control thread: it receives reports, times out edges, and serves the administration.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tracing::error;
use weir_admin::{Admin, CommandRequest, RelaySource, Token};
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::{ClientZones, Commands, Fleet, FleetSettings, Lifetimes, Selector, Snapshot};
use weir_fronts::listener::{self, Bound};
use weir_fronts::relay::RelaySessions;
use weir_fronts::settings::{Listener, OverflowTarget};
use weir_fronts::{Environment, Shared};
use weir_kernel::controller::{self, Controller};
use weir_kernel::kernel::Kernel;
use weir_program::clock::Clock;
use weir_program::config::ListenAddress;
use weir_program::metrics::Registry;
use weir_program::{listen, random};
use weir_protocol::{EdgeId, KeyRing, NameBuf, Receiver};

use crate::config::Config;
use crate::control::Control;
use crate::kernel_mode::Published;
use crate::metrics::{self, Sources};
use crate::shutdown::until_closed;
use crate::worker;

/// A balancer whose sockets are bound, but which does not serve clients yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    files: Files,
    workers: usize,
    clients: Vec<Bound>,
    reports: StdUdpSocket,
    admin: StdTcpListener,
    /// Open if kernel mode is configured and available.
    kernel: Option<Kernel>,
    fleet: Arc<ArcSwap<Snapshot>>,
    commands: (mpsc::Sender<CommandRequest>, mpsc::Receiver<CommandRequest>),
    rings: (mpsc::Sender<KeyRing>, mpsc::Receiver<KeyRing>),
}

/// The contents of files other than the configuration. Those behind an [`ArcSwap`] may be reloaded while the balancer
/// runs.
#[derive(Debug)]
pub struct Files {
    /// The keys of the cluster.
    pub ring: KeyRing,
    /// The operators' token.
    pub token: Token,
    /// The zones of clients, from the configuration and the GeoIP database.
    pub zones: Arc<ArcSwap<ClientZones>>,
    /// TLS settings for clients, if TLS is configured.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
    /// TLS settings for connections to edges.
    pub edge_tls: Arc<ClientConfig>,
}

/// Maximum number of requests that wait for the control thread, which handles them at once.
const QUEUE: usize = 64;

/// Why a balancer does not start, or stops early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket cannot be bound.
    #[error("cannot listen on {address} for {purpose}: {cause}; {}", remedy(.cause))]
    Bind {
        /// The configured address.
        address: ListenAddress,
        /// The purpose of the socket.
        purpose: &'static str,
        /// The error of the system.
        cause: io::Error,
    },
    /// Kernel mode is unavailable, and nothing else is configured.
    #[error("{0}")]
    Kernel(#[from] controller::Unavailable),
    /// A thread or runtime cannot be started, or the socket for reports has failed.
    #[error("{0}")]
    System(#[from] io::Error),
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "stop the program that uses this port, or choose another address",
        io::ErrorKind::PermissionDenied => "ports below 1024 require root or CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "choose another address",
    }
}

/// Receive buffer for reports, in bytes: those of some 10,000 edges that report at the same moment, as after the
/// failure of a switch. Reports that do not fit are lost, and replaced by the next ones.
const REPORT_BUFFER: usize = 4 * 1024 * 1024;

impl Server {
    /// Binds every configured socket. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// [`Error::Bind`], which names the address, and [`Error::Kernel`].
    pub fn bind(config: Config, files: Files) -> Result<Self, Error> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = config.fronts.limits.workers.unwrap_or_else(cores);
        let bind_clients =
            |listener: &Listener| listener::bind(listener, workers).map_err(failed(listener.address, "clients"));
        let clients = config.listeners.iter().map(bind_clients).collect::<Result<_, _>>()?;
        let reports = config.reports.address;
        let reports = listen::bind_udp(reports, REPORT_BUFFER).map_err(failed(reports, "reports"))?;
        let admin = listen::bind_tcp(config.admin.address).map_err(failed(config.admin.address, "admin"))?;
        let kernel = config.kernel.as_ref().map_or(Ok(None), open_kernel)?;
        let (commands, rings) = (mpsc::channel(QUEUE), mpsc::channel(QUEUE));
        Ok(Self { config, files, workers, clients, reports, admin, kernel, fleet: Arc::default(), commands, rings })
    }

    /// Returns the TCP listeners for clients.
    #[must_use]
    pub fn clients(&self) -> &[Bound] {
        &self.clients
    }

    /// Returns the UDP address for reports.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn reports_address(&self) -> io::Result<SocketAddr> {
        self.reports.local_addr()
    }

    /// Returns the TCP address of the administration.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Returns where the fleet is published.
    #[must_use]
    pub fn fleet(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.fleet)
    }

    /// Returns the channel for reloaded keys.
    #[must_use]
    pub fn rings(&self) -> mpsc::Sender<KeyRing> {
        self.rings.0.clone()
    }

    /// Serves until `shutdown` resolves. Connections that are open then are closed.
    ///
    /// # Errors
    /// [`Error::System`].
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { config, files, workers, clients, reports, admin, kernel, fleet, commands, rings } = self;
        let Files { ring, token, zones, tls, edge_tls } = files;
        let is_kernel_only = config.is_kernel_only();
        let (clock, registry) = (Clock::start(), Registry::default());
        let ramp = config.rules.ramp;
        let fleet_settings = FleetSettings {
            redirect_limits: config.redirect_limits,
            rules: config.rules,
            zones: Arc::clone(zones.load().zones()),
        };
        let selector = Selector::new(fleet_settings, config.fronts.overflow.iter().map(OverflowTarget::protocol));
        let selector = Arc::new(selector);
        let relayed = Arc::new(RelaySessions::new(config.fronts.relay.sessions));
        let kernel_status = config.kernel.is_some().then(Arc::<ArcSwap<weir_kernel::status::Status>>::default);
        let sources =
            Sources { fleet: Arc::clone(&fleet), clock, relayed: Arc::clone(&relayed), kernel: kernel_status.clone() };
        let (control_metrics, front_metrics) = metrics::register(&registry, sources);
        control_metrics.set_keys(ring.ids().collect());

        let controller = config.kernel.zip(kernel_status.clone()).map(|(settings, status)| {
            let environment = controller::Environment {
                fleet: Arc::clone(&fleet),
                clock,
                ramp,
                // By then, edges that do not report have timed out.
                settled_after: 2 * config.reports.timeout,
                status,
            };
            Controller::new(settings, kernel, environment)
        });

        let (command, command_requests) = commands;
        let control = Control {
            socket: UdpSocket::from_std(reports)?,
            receiver: Receiver::new(ring, config.reports.receiver_limits(), random::bytes()),
            fleet: Fleet::new(
                Lifetimes { timeout: config.reports.timeout, forget_after: config.reports.forget_after },
                Arc::clone(&selector),
            ),
            commands: Commands::new(config.reports.command_timeout),
            name: config.name.or_else(machine_name),
            published: Arc::clone(&fleet),
            command_requests,
            rings: rings.1,
            clock,
            metrics: control_metrics,
        };
        let administration = Admin {
            fleet: Arc::clone(&fleet),
            selector: Arc::clone(&selector),
            zones: Arc::clone(&zones),
            clock,
            connections: config.admin.connections,
            metrics: registry,
            relayed: Arc::new(RelayedSessions(Arc::clone(&relayed))),
            kernel: kernel_status.map(|status| Arc::new(Published(status)) as _),
            is_kernel_only,
            token,
            commands: command,
        };
        let drains = Arc::clone(&fleet);
        let environment = Environment {
            fleet,
            selector,
            zones,
            clock,
            metrics: front_metrics,
            relayed: Arc::clone(&relayed),
            listening: clients.iter().map(|bound| bound.address).collect(),
            tls,
            edge_tls,
        };
        let shared = Arc::new(Shared::new(config.fronts, environment));

        let (stop, stopped) = watch::channel(());
        let threads = listener::by_worker(clients, workers)
            .into_iter()
            .enumerate()
            .map(|(index, ports)| worker::start(index, ports, &shared, stopped.clone()))
            .collect::<io::Result<Vec<_>>>()?;
        let controller = controller.map(|controller| controller.start(stopped.clone())).transpose()?;
        let drained = until_closed(stopped.clone());
        let drains = tokio::spawn(async move { relayed.run(&drains, clock, drained).await });
        let admin = tokio::spawn(administration.run(TcpListener::from_std(admin)?, until_closed(stopped)));
        let outcome = control.run(shutdown).await;

        drop(stop);
        let _ = admin.await;
        let _ = drains.await;
        for thread in threads.into_iter().chain(controller) {
            if thread.join().is_err() {
                error!("thread panicked");
            }
        }
        Ok(outcome?)
    }
}

/// Relayed sessions, as the administration sees them.
#[derive(Debug)]
struct RelayedSessions(Arc<RelaySessions>);

impl RelaySource for RelayedSessions {
    fn by_edge(&self) -> HashMap<EdgeId, RelayCounters> {
        self.0.by_edge()
    }
}

/// Opens the kernel's services. Only a balancer without listeners fails when they are unavailable.
fn open_kernel(settings: &weir_kernel::Settings) -> Result<Option<Kernel>, controller::Unavailable> {
    match controller::open(settings) {
        Ok(kernel) => Ok(Some(kernel)),
        Err(error) if settings.only => Err(error),
        // The controller logs this, tries again, and reports it in metrics and health.
        Err(_) => Ok(None),
    }
}

/// Returns the host name of the machine, if it is valid in an ack.
fn machine_name() -> Option<NameBuf> {
    rustix::system::uname().nodename().to_string_lossy().parse().ok()
}

fn failed(address: ListenAddress, purpose: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::Bind { address, purpose, cause }
}
