//! Reports through a real socket to a real balancer.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use weir_program::clock::unix_milliseconds;

use crate::balancer::{self, Running};
use crate::metrics::metric;
use crate::outcome::Outcome;
use crate::program::empty_folder;
use crate::reports::load;

/// Edges that report, and the reports of each.
const EDGES: u32 = 10_000;
const ROUNDS: usize = 40;

/// A balancer that accepts the reports of this benchmark's edges.
pub(super) struct Balancer(Running);

impl Balancer {
    /// Starts a balancer with one worker, without limits on salts if `unlimited_senders` is set.
    #[expect(clippy::expect_used, reason = "the benchmark cannot continue without a balancer")]
    pub(super) fn start(unlimited_senders: bool) -> Self {
        // The timeout is long, since it takes a while until all edges have sent a round of reports.
        let mut configuration =
            "[limits]\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n[reports]\naddress = \"127.0.0.1:0\"\ntimeout = \"10m\"\n"
                .to_owned();
        if unlimited_senders {
            configuration.push_str("new_sender_rate = 1000000\nnew_sender_rate_per_source = 1000000\n");
        }
        let folder = empty_folder("reports").expect("a folder");
        Self(balancer::start(None, &folder, &configuration).expect("a balancer"))
    }

    /// Returns the address for clients.
    pub(super) fn clients(&self) -> SocketAddr {
        self.0.clients
    }

    /// Returns the address for reports.
    pub(super) fn reports(&self) -> SocketAddr {
        self.0.reports
    }

    /// Sends reports of this number of edges until the balancer has accepted all. Returns their senders.
    pub(super) fn register(&self, edges: u32) -> Vec<weir_protocol::Sender> {
        let report = load::report(unix_milliseconds());
        let mut senders: Vec<_> = (0..edges).map(load::sender).collect();
        let socket = connected(self.reports());
        // Repeated until all are accepted, since datagrams may be lost.
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

    /// Returns the value of a metric.
    pub(super) fn metric(&self, name: &str) -> f64 {
        metric(self.0.admin, name)
    }

    /// Returns the processor time of the control thread, which is the first of the program.
    fn control_time(&self) -> Duration {
        let process = self.0.program.id();
        let text = std::fs::read_to_string(format!("/proc/{process}/task/{process}/schedstat")).unwrap_or_default();
        Duration::from_nanos(text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0))
    }
}

#[expect(clippy::expect_used, reason = "the benchmark cannot continue without a socket")]
pub(super) fn connected(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(to).expect("an address of this machine");
    socket
}

/// Sends reports as fast as possible. Measures how many are accepted, and the processor time.
pub(super) fn measure(bound: f64) -> Vec<Outcome> {
    let balancer = Balancer::start(true);
    let mut senders = balancer.register(EDGES);
    let report = load::report(unix_milliseconds());
    let mut datagrams = Vec::new();
    for _ in 0..ROUNDS {
        datagrams.extend(senders.iter_mut().filter_map(|sender| sender.seal(&report).map(<[u8]>::to_vec).ok()));
    }
    let (accepted, time) = (balancer.metric("weir_reports_total"), balancer.control_time());
    let socket = connected(balancer.reports());
    let ended = Arc::new(AtomicBool::new(false));
    let acks = discard_acks(&socket, &ended);
    let start = Instant::now();
    for datagram in &datagrams {
        // A full buffer drops it, as a network would.
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
        Outcome::higher("accepted and acknowledged", accepted / time, "reports/CPU-s", Some(bound)),
        Outcome::lower("lost, as sent faster than received", 1.0 - accepted / sent, "of 1", None),
    ]
}

/// Receives the acks, so that they do not fill the buffer of the socket.
fn discard_acks(socket: &UdpSocket, ended: &Arc<AtomicBool>) -> Option<JoinHandle<()>> {
    let (socket, ended) = (socket.try_clone().ok()?, Arc::clone(ended));
    socket.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
    Some(thread::spawn(move || {
        let mut buffer = [0; 1500];
        while socket.recv(&mut buffer).is_ok() || !ended.load(Ordering::Relaxed) {}
    }))
}
