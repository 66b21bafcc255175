//! Reports through a real socket, to a whole balancer.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use weir_balancer::Server;
use weir_balancer::admin::token::Token;
use weir_balancer::config::address::ListenAddress;
use weir_balancer::config::{Config, Listener};
use weir_balancer::fronts::relay::edge_tls;
use weir_balancer::server::FromFiles;
use weir_program::clock::unix_milliseconds;

use crate::metrics::metric;
use crate::outcome::Outcome;
use crate::reports::load;

/// Edges that report, and reports of each.
const EDGES: u32 = 10_000;
const ROUNDS: usize = 40;

/// A balancer on a thread of its own.
pub(super) struct Balancer {
    pub(super) clients: SocketAddr,
    pub(super) reports: SocketAddr,
    admin: SocketAddr,
    /// The control thread's id, for its processor time.
    thread: i32,
    stop: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Balancer {
    /// Starts one on free ports of the loopback. Every salt is looked at when `strangers` are welcome.
    #[expect(clippy::expect_used, reason = "a benchmark that cannot start has nothing to go on with")]
    pub(super) fn start(workers: usize, strangers: bool) -> Self {
        let mut config = Config { listeners: vec![Listener::at(ListenAddress::loopback(0))], ..Config::default() };
        config.reports.address = ListenAddress::loopback(0);
        config.admin.address = ListenAddress::loopback(0);
        config.limits.workers = Some(workers);
        // Agents of this machine only: it takes a while until all have sent their turn.
        config.reports.timeout = Duration::from_secs(600);
        if strangers {
            config.reports.unknown_salts = 1_000_000;
            config.reports.unknown_salts_per_source = 1_000_000;
        }
        let ring = [load::secret()].into_iter().collect();
        let (started, start) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let token = Token::parse("not-used-by-anybody-here").expect("a token");
                let edge_tls = edge_tls::client_config(None).expect("TLS with the usual authorities");
                let files = FromFiles { ring, token, zones: Arc::default(), tls: None, edge_tls };
                let server = Server::bind(config, files).expect("free ports");
                let addresses = (
                    server.clients()[0].address,
                    server.reports_address().expect("an address"),
                    server.admin_address().expect("an address"),
                );
                let _ = started.send((addresses, rustix::thread::gettid().as_raw_nonzero().get()));
                let _ = server.run(async { drop(stopped.await) }).await;
            });
        });
        let ((clients, reports, admin), thread) = start.recv().expect("the balancer starts");
        Self { clients, reports, admin, thread, stop: Some(stop), handle: Some(handle) }
    }

    /// Makes so many edges known.
    pub(super) fn introduce(&self, edges: u32) -> Vec<weir_protocol::Sender> {
        let report = load::report(unix_milliseconds());
        let mut senders: Vec<_> = (0..edges).map(load::sender).collect();
        let socket = connected(self.reports);
        // Again and again until all are known: datagrams may be lost.
        for _ in 0..50 {
            for sender in &mut senders {
                let sealed = sender.seal(&report).ok();
                sealed.map(|datagram| socket.send(datagram));
            }
            if self.metric("weir_edges{state=\"running\"}") >= f64::from(edges) {
                break;
            }
        }
        senders
    }

    /// The value of a metric now.
    pub(super) fn metric(&self, name: &str) -> f64 {
        metric(self.admin, name)
    }

    /// Processor time of the control thread.
    fn control_time(&self) -> Duration {
        let file = format!("/proc/self/task/{}/schedstat", self.thread);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        Duration::from_nanos(text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.take();
        let _ = self.handle.take().map(JoinHandle::join);
    }
}

#[expect(clippy::expect_used, reason = "a benchmark without a socket has nothing to go on with")]
pub(super) fn connected(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(to).expect("an address of this machine");
    socket
}

/// Sends reports as fast as they can be sent, and sees what of them is believed and what that costs.
pub(super) fn measure(bound: f64) -> Vec<Outcome> {
    let balancer = Balancer::start(1, true);
    let mut senders = balancer.introduce(EDGES);
    let report = load::report(unix_milliseconds());
    let mut datagrams = Vec::new();
    for _ in 0..ROUNDS {
        datagrams.extend(senders.iter_mut().filter_map(|sender| sender.seal(&report).map(<[u8]>::to_vec).ok()));
    }
    let (accepted, time) = (balancer.metric("weir_reports_total"), balancer.control_time());
    let socket = connected(balancer.reports);
    let ended = Arc::new(AtomicBool::new(false));
    let acks = swallow(&socket, &ended);
    let start = Instant::now();
    for datagram in &datagrams {
        // A full buffer loses it, as a network would.
        let _ = socket.send(datagram);
    }
    let sent_in = start.elapsed();
    ended.store(true, Ordering::Relaxed);
    let _ = acks.map(JoinHandle::join);
    let accepted = balancer.metric("weir_reports_total") - accepted;
    let time = (balancer.control_time() - time).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let sent = datagrams.len() as f64;
    vec![
        Outcome::higher("sent", sent / sent_in.as_secs_f64(), "reports/s", None),
        Outcome::higher("believed and answered", accepted / time, "reports/CPU-s", Some(bound)),
        Outcome::lower("lost, since they were sent faster than that", 1.0 - accepted / sent, "of 1", None),
    ]
}

/// Takes the acks away, so that they are not in the way of the next.
fn swallow(socket: &UdpSocket, ended: &Arc<AtomicBool>) -> Option<JoinHandle<()>> {
    let (socket, ended) = (socket.try_clone().ok()?, Arc::clone(ended));
    socket.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
    Some(thread::spawn(move || {
        let mut buffer = [0; 1500];
        while socket.recv(&mut buffer).is_ok() || !ended.load(Ordering::Relaxed) {}
    }))
}
