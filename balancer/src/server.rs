//! A balancer: everything wired together and run.
//!
//! Worker threads serve clients, each with a runtime and sockets of its own. The thread that calls [`Server::run`] is
//! the control thread: it takes in reports, lets time pass over the fleet, and serves the administration.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tracing::{error, info};
use weir_program::random;
use weir_protocol::report::MAX_NAME_LENGTH;
use weir_protocol::{KeyRing, Receiver};

use crate::admin::Admin;
use crate::admin::token::Token;
use crate::clock::Clock;
use crate::config::address::ListenAddress;
use crate::config::{self, Config, Listener};
use crate::fleet::{ClientZones, Commands, Fleet, Lifetimes, Selector, Snapshot, Terms};
use crate::fronts::accept::accept;
use crate::fronts::listener::{self, Bound, Port, Service};
use crate::fronts::places::Places;
use crate::fronts::relay::Relay;
use crate::fronts::repeats::Repeats;
use crate::fronts::rtsp::tunnel::Tunnels;
use crate::fronts::warnings::Warnings;
use crate::fronts::{Front, Shared};
use crate::intake::{Intake, Request};
use crate::ipvs::controller::{self, Controller, Surroundings};
use crate::ipvs::kernel::Kernel;
use crate::metrics::Metrics;
use crate::relayed::Relayed;

/// A balancer whose sockets are bound, and which does not serve anybody yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    files: FromFiles,
    workers: usize,
    clients: Vec<Bound>,
    reports: StdUdpSocket,
    admin: StdTcpListener,
    /// Opened, when services are configured and the kernel has them.
    kernel: Option<Kernel>,
    fleet: Arc<ArcSwap<Snapshot>>,
    ask: mpsc::Sender<Request>,
    asked: mpsc::Receiver<Request>,
}

/// What a balancer reads from files besides its configuration. What is published may be exchanged while it runs.
#[derive(Debug)]
pub struct FromFiles {
    /// The secrets that reports are sealed with.
    pub ring: KeyRing,
    /// What opens the API.
    pub token: Token,
    /// The zones of the configuration, with whatever else tells where clients are.
    pub zones: Arc<ArcSwap<ClientZones>>,
    /// With what TLS is accepted from clients, if it is.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
    /// With what edges are connected to over TLS.
    pub edge_tls: Arc<ClientConfig>,
}

/// Requests that may wait for the intake; it takes them at once.
const QUEUE: usize = 64;

/// Why a balancer does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket cannot be bound.
    #[error("cannot listen on {address} for {purpose}: {cause}; {}", remedy(.cause))]
    Bind {
        /// As it was configured.
        address: ListenAddress,
        /// What the socket is for.
        purpose: &'static str,
        /// What the system says.
        cause: io::Error,
    },
    /// The kernel has no services, and they are all that was asked for.
    #[error("{0}")]
    Kernel(#[from] controller::Unavailable),
    /// A section of kernel mode contradicts another.
    #[error("{0}")]
    Services(#[from] config::SectionError),
    /// A thread or a runtime cannot be started, or the socket for reports failed.
    #[error("{0}")]
    System(#[from] io::Error),
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "stop the program that has this port, or choose another address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need root or CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "choose another address",
    }
}

impl Server {
    /// Binds every socket that `config` names. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// [`Error::Bind`], which names the address; all other sockets are closed again.
    pub fn bind(config: Config, files: FromFiles) -> Result<Self, Error> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = config.limits.workers.unwrap_or_else(cores);
        let bind_clients =
            |listener: &Listener| listener::bind(listener, workers).map_err(failed(listener.address, "clients"));
        let clients = config.listeners_or_default().iter().map(bind_clients).collect::<Result<_, _>>()?;
        let reports = listener::bind_udp(config.reports.address).map_err(failed(config.reports.address, "reports"))?;
        let admin = listener::bind_alone(config.admin.address).map_err(failed(config.admin.address, "admin"))?;
        let kernel = open_kernel(&config.kernel)?;
        let (ask, asked) = mpsc::channel(QUEUE);
        Ok(Self { config, files, workers, clients, reports, admin, kernel, fleet: Arc::default(), ask, asked })
    }

    /// The TCP listeners for clients.
    #[must_use]
    pub fn clients(&self) -> &[Bound] {
        &self.clients
    }

    /// Where reports arrive.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn reports_address(&self) -> io::Result<SocketAddr> {
        self.reports.local_addr()
    }

    /// Where the administration is.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Where the fleet is published.
    #[must_use]
    pub fn fleet(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.fleet)
    }

    /// Where requests to the running balancer go.
    #[must_use]
    pub fn requests(&self) -> mpsc::Sender<Request> {
        self.ask.clone()
    }

    /// Serves until `shutdown` is done; the connections that are open then are closed.
    ///
    /// # Errors
    /// [`Error::System`].
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { config, files, workers, clients, reports, admin, kernel, fleet, ask, asked } = self;
        let FromFiles { ring, token, zones, tls, edge_tls } = files;
        let (clock, metrics) = (Clock::start(), Arc::new(Metrics::new()));
        let relayed = Arc::new(Relayed::new(config.relay.sessions));
        let overflow: Vec<_> = config.selection.overflow.iter().cloned().map(Arc::new).collect();
        let terms = Terms {
            limits: config.redirect.limits(),
            rules: config.selection.rules(),
            zones: Arc::clone(zones.load().zones()),
        };
        let selector = Arc::new(Selector::new(terms, overflow.iter().filter_map(|elsewhere| elsewhere.protocol())));

        let kernel_status = Arc::default();
        let kernel = start_with(
            kernel,
            &config,
            Surroundings {
                fleet: Arc::clone(&fleet),
                clock,
                ramp: config.selection.ramp,
                // Edges that were silent for as long are not believed any more.
                settled_after: 2 * config.reports.timeout,
                status: Arc::clone(&kernel_status),
            },
        )?;

        metrics.set_keys(ring.ids().collect());
        let intake = Intake {
            socket: UdpSocket::from_std(reports)?,
            receiver: Receiver::new(ring, config.reports.receiver_limits(), random::bytes()),
            fleet: Fleet::new(
                Lifetimes { timeout: config.reports.timeout, forget_after: config.reports.forget_after },
                Arc::clone(&selector),
            ),
            commands: Commands::new(config.reports.command_timeout),
            name: config.name.or_else(machine_name),
            published: Arc::clone(&fleet),
            requests: asked,
            clock,
            metrics: Arc::clone(&metrics),
        };
        let admin_page = Admin {
            fleet: Arc::clone(&fleet),
            selector: Arc::clone(&selector),
            zones: Arc::clone(&zones),
            clock,
            connections: config.admin.connections,
            metrics: Arc::clone(&metrics),
            relayed: Arc::clone(&relayed),
            kernel: kernel_status,
            is_kernel_only: config.kernel.only,
            token,
            requests: ask,
        };
        let drains = Arc::clone(&fleet);
        let shared = Arc::new(Shared {
            fleet,
            selector,
            overflow,
            zones,
            clock,
            http: config.http,
            hop_mark: config.redirect.hop_mark,
            applications: config.applications,
            limits: config.limits,
            metrics,
            repeats: Repeats::default(),
            listening: clients.iter().map(|bound| bound.address).collect(),
            relay: Relay::new(config.relay, edge_tls, Arc::clone(&relayed)),
            warnings: Warnings::default(),
            places: Places::default(),
            tunnels: Tunnels::default(),
            tls,
        });

        let (stop, stopped) = watch::channel(());
        let threads = listener::by_worker(clients, workers)
            .into_iter()
            .enumerate()
            .map(|(index, ports)| start_worker(index, ports, &shared, stopped.clone()))
            .collect::<io::Result<Vec<_>>>()?;
        let kernel = kernel.map(|controller| controller.start(stopped.clone())).transpose()?;
        let drained = until_closed(stopped.clone());
        let drains = tokio::spawn(async move { relayed.run(&drains, clock, drained).await });
        let admin = tokio::spawn(admin_page.run(TcpListener::from_std(admin)?, until_closed(stopped)));
        let outcome = intake.run(shutdown).await;

        drop(stop);
        let _ = admin.await;
        let _ = drains.await;
        for thread in threads.into_iter().chain(kernel) {
            if thread.join().is_err() {
                error!("a worker thread panicked");
            }
        }
        Ok(outcome?)
    }
}

/// Opens the kernel, if there is something for it.
fn open_kernel(config: &config::Kernel) -> Result<Option<Kernel>, controller::Unavailable> {
    if config.services.is_empty() {
        return Ok(None);
    }
    match controller::open(config) {
        Ok(kernel) => Ok(Some(kernel)),
        Err(error) if config.only => Err(error),
        // The controller says so, tries again, and has everybody know who asks.
        Err(_) => Ok(None),
    }
}

/// The controller, if there is something for it.
fn start_with(
    kernel: Option<Kernel>,
    config: &Config,
    surroundings: Surroundings,
) -> Result<Option<Controller>, config::SectionError> {
    let has_services = !config.kernel.services.is_empty();
    has_services.then(|| Controller::new(config.kernel.clone(), kernel, surroundings)).transpose()
}

/// The machine's name, if it can stand in an ack.
fn machine_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fits = (1..=MAX_NAME_LENGTH).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(name)
}

fn failed(address: ListenAddress, purpose: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::Bind { address, purpose, cause }
}

/// Starts a thread that accepts on `ports` until `stopped`.
fn start_worker(
    index: usize,
    ports: Vec<Port>,
    shared: &Arc<Shared>,
    stopped: watch::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let front = Arc::new(Front::new(Arc::clone(shared), u64::from_ne_bytes(random::bytes())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = move || {
        runtime.block_on(async {
            for port in ports {
                let front = Arc::clone(&front);
                // A task of its own: what block_on polls itself is woken for every event of the runtime.
                tokio::spawn(async move {
                    if let Err(error) = accept(port, front).await {
                        error!(%error, "a worker cannot serve clients");
                    }
                });
            }
            tokio::spawn(beat());
            until_closed(stopped).await;
        });
    };
    std::thread::Builder::new().name(format!("weir-worker-{index}")).spawn(serve)
}

/// Sooner than the time limits of clients, by default and in every sensible configuration.
const BEAT: Duration = Duration::from_millis(500);

/// Keeps a timer running that is due before those of clients. The runtime wakes itself, which takes two system calls, for
/// each timer that is to be the next, and would do so for nearly every client that has to be waited for.
async fn beat() {
    loop {
        tokio::time::sleep(BEAT).await;
    }
}

/// Done when the sender is dropped; nothing is ever sent.
async fn until_closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Lets this process have as many open files as it may, since each client is one and each that is relayed takes more, and
/// admits no more clients than that.
pub fn fit_to_open_files(config: &mut Config) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // The hard limit is there for the taking; when it is refused all the same, the soft one holds.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok();
    let Some(allowed) = (if raised { limit.maximum } else { limit.current }) else { return };
    fit_to(config, allowed);
}

/// Admits no more clients than so many files allow.
fn fit_to(config: &mut Config, allowed: u64) {
    /// Files besides clients: sockets for listening, reports, the kernel, runtimes and logs.
    const OTHERS: u64 = 64;

    // A check without a file says nothing of its server: those that fail would stay in the kernel when it is needed most.
    let free = allowed.saturating_sub(OTHERS + (config.admin.connections + config.kernel.files()) as u64);
    let sessions = config.relay.sessions;
    // Relaying is for the few that cannot be redirected: where files are scarce it gets three in eight of them.
    if free < (config.limits.connections + config.relay.files()) as u64 && free / 4 < sessions as u64 {
        config.relay.sessions = usize::try_from(free / 4).unwrap_or(sessions);
        info!(
            sessions = config.relay.sessions,
            "relaying fewer clients at a time than [relay] sessions: fewer open files are allowed (LimitNOFILE, ulimit -n)"
        );
    }
    let clients = free.saturating_sub(config.relay.files() as u64).max(1);
    if config.limits.connections as u64 > clients {
        info!(
            clients,
            "serving fewer clients at a time than [limits] connections: fewer open files are allowed (LimitNOFILE, ulimit -n)"
        );
        config.limits.connections = usize::try_from(clients).unwrap_or(usize::MAX);
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Service::Speak(protocols) => {
                let names: Vec<&str> = protocols.iter().map(|protocol| protocol.name()).collect();
                write!(f, "{} for {}", self.address, names.join(", "))
            }
            Service::Relay(port) => write!(f, "{} for relay to port {port}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn clients(lines: &str) -> usize {
        let text = format!("[admin]\nconnections = 36\n[relay]\nsessions = 0\n{lines}");
        let mut config = Config::parse(&text, Path::new("weir.toml")).unwrap();
        fit_to(&mut config, 1100);
        config.limits.connections
    }

    #[test]
    fn files_of_checks_are_none_of_clients() {
        let service =
            "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";
        assert_eq!(clients(""), 1000);
        assert_eq!(clients(service), 1000);
        assert_eq!(clients(&format!("[kernel]\nchecks = 300\n{service}check.kind = \"tcp\"\n")), 700);
    }
}
