//! Reports through a real socket, to a whole balancer.

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

/// Edges that report, and reports of each.
const EDGES: u32 = 10_000;
const ROUNDS: usize = 40;

/// A balancer that believes what the edges of this benchmark send.
pub(super) struct Balancer(Running);

impl Balancer {
    /// Starts one with one worker. Every salt is looked at when `strangers` are welcome.
    #[expect(clippy::expect_used, reason = "a benchmark that cannot start has nothing to go on with")]
    pub(super) fn start(strangers: bool) -> Self {
        // Agents of this machine only: it takes a while until all have sent their turn.
        let mut configuration =
            "[limits]\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:0\"\n[reports]\naddress = \"127.0.0.1:0\"\ntimeout = \"10m\"\n"
                .to_owned();
        if strangers {
            configuration.push_str("new_sender_rate = 1000000\nnew_sender_rate_per_source = 1000000\n");
        }
        let folder = empty_folder("reports").expect("a folder");
        Self(balancer::start(None, &folder, &configuration).expect("a balancer"))
    }

    /// Where clients come in.
    pub(super) fn clients(&self) -> SocketAddr {
        self.0.clients
    }

    /// Where reports arrive.
    pub(super) fn reports(&self) -> SocketAddr {
        self.0.reports
    }

    /// Makes so many edges known.
    pub(super) fn introduce(&self, edges: u32) -> Vec<weir_protocol::Sender> {
        let report = load::report(unix_milliseconds());
        let mut senders: Vec<_> = (0..edges).map(load::sender).collect();
        let socket = connected(self.reports());
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
        metric(self.0.admin, name)
    }

    /// Processor time of the control thread, which is the program's first.
    fn control_time(&self) -> Duration {
        let process = self.0.program.id();
        let text = std::fs::read_to_string(format!("/proc/{process}/task/{process}/schedstat")).unwrap_or_default();
        Duration::from_nanos(text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0))
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
    let balancer = Balancer::start(true);
    let mut senders = balancer.introduce(EDGES);
    let report = load::report(unix_milliseconds());
    let mut datagrams = Vec::new();
    for _ in 0..ROUNDS {
        datagrams.extend(senders.iter_mut().filter_map(|sender| sender.seal(&report).map(<[u8]>::to_vec).ok()));
    }
    let (accepted, time) = (balancer.metric("weir_reports_total"), balancer.control_time());
    let socket = connected(balancer.reports());
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
