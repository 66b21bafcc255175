//! The control thread: reports from the UDP socket into the fleet, acks back, and published snapshots of the fleet.
//!
//! | module      | contents                          |
//! |-------------|-----------------------------------|
//! | [`metrics`] | metrics of reports and the fleet  |
//! | [`log`]     | log lines about edges             |

mod log;
mod metrics;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};
use weir_admin::CommandRequest;
use weir_fleet::{Change, Commands, Fleet, Moment, Origin, Snapshot, Time};
use weir_program::clock::{Clock, unix_milliseconds};
use weir_program::random;
use weir_protocol::datagram::MAX_LENGTH;
use weir_protocol::key::KeyId;
use weir_protocol::{Arrival, EdgeId, KeyRing, NameBuf, Receiver};

use log::LoggedEdge;
pub use metrics::Metrics;

/// Time between two sweeps over the fleet, and minimum time between two snapshots. It is fifty times shorter than the
/// default timeout of edges, so that it adds little to that, and long enough for a sweep over 100,000 edges to cost
/// next to nothing.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum number of datagrams received between two chances for a sweep: a flood of them must not delay timeouts.
const BATCH: usize = 256;

/// The control thread's work: receives reports, and delivers operators' commands.
#[derive(Debug)]
pub struct Control {
    /// Receives reports.
    pub socket: UdpSocket,
    /// Opens and verifies reports.
    pub receiver: Receiver,
    /// The fleet, which the reports update.
    pub fleet: Fleet,
    /// Commands that wait for their confirmation.
    pub commands: Commands,
    /// The balancer's name in its acks.
    pub name: Option<NameBuf>,
    /// Where the snapshots of the fleet are published.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// Receives operators' commands.
    pub command_requests: mpsc::Receiver<CommandRequest>,
    /// Receives reloaded keys.
    pub rings: mpsc::Receiver<KeyRing>,
    /// The clock of the fleet.
    pub clock: Clock,
    /// Metrics of the control thread.
    pub metrics: Metrics,
}

impl Control {
    /// Receives reports until `shutdown` resolves.
    ///
    /// # Errors
    /// When the socket fails for good. Errors that a single datagram causes are logged and ignored.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_snapshot = self.now();
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                _ = sweep.tick() => self.sweep(),
                Some(request) = self.command_requests.recv() => self.queue_command(request),
                Some(ring) = self.rings.recv() => self.set_keys(ring),
                readable = self.socket.readable() => {
                    readable?;
                    self.receive_batch();
                }
            }
            let now = self.now();
            if now >= next_snapshot && self.publish() {
                next_snapshot = now + SWEEP_INTERVAL;
            }
        }
    }

    /// Receives the waiting datagrams, up to [`BATCH`] of them.
    fn receive_batch(&mut self) {
        // One byte more than the longest report, so that a longer one is rejected for its length rather than cut.
        let mut buffer = [0; MAX_LENGTH + 1];
        for _ in 0..BATCH {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((length, source)) => self.receive(&mut buffer[..length], source),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Such as ICMP errors of earlier acks; the socket still works.
                Err(error) => debug!(%error, "report cannot be received"),
            }
        }
    }

    fn receive(&mut self, datagram: &mut [u8], source: SocketAddr) {
        let length = datagram.len();
        let now = Moment { monotonic: self.now(), unix: unix_milliseconds() };
        let monotonic = Duration::from_micros(now.monotonic.as_micros());
        let accepted = match self.receiver.open(datagram, &Arrival { source, monotonic, unix: now.unix }) {
            Ok(accepted) => accepted,
            Err(rejection) => {
                self.metrics.reject_report(rejection);
                return;
            }
        };
        self.metrics.reports.inc();
        let edge = accepted.edge;
        let origin = Origin {
            source: source.ip().to_canonical(),
            key_id: accepted.key_id,
            duplicate: accepted.duplicate.map(|other| other.ip().to_canonical()),
        };
        if self.fleet.is_isolated() {
            info!("reports arrive again; no longer isolated");
        }
        let pending = self.commands.next(edge, now.monotonic);
        let confirmed = pending.filter(|_| self.commands.confirm(edge, accepted.report.last_command));
        let change = self.fleet.apply(edge, &accepted.report, origin, now);
        if confirmed.is_some() || change.is_some() || accepted.booted {
            let address = log::redirect_address(&accepted.report, origin.source);
            let logged = LoggedEdge { id: edge, address: Some(&address), source: Some(origin.source) };
            if let Some(command) = confirmed {
                log::confirmed(logged, command);
            }
            match change {
                Some(change) => log::change(logged, change),
                None if accepted.booted => log::restarted(logged),
                None => {}
            }
        }
        self.acknowledge(edge, source, length, now);
    }

    fn acknowledge(&mut self, edge: EdgeId, source: SocketAddr, report_length: usize, now: Moment) {
        let command = self.commands.next(edge, now.monotonic);
        let mut output = [0; MAX_LENGTH];
        let name = self.name.as_ref().map(NameBuf::as_name);
        if let Some(ack) = self.receiver.acknowledge(edge, name, command, report_length, &mut output) {
            // When the send buffer is full, the ack is lost, as it may be in the network. The next report gets another.
            match self.socket.try_send_to(ack, source) {
                Ok(_) => self.metrics.acks.inc(),
                Err(error) => debug!(%edge, %error, "ack cannot be sent"),
            }
        }
    }

    fn queue_command(&mut self, request: CommandRequest) {
        let CommandRequest { edge, action, reply } = request;
        let now = self.now();
        let id = if self.fleet.contains(edge) {
            let id = self.commands.queue(edge, action, now, u64::from_ne_bytes(random::bytes()));
            let published = self.published.load();
            let address = published.edge(edge).map(|edge| edge.redirect());
            if let Some(command) = self.commands.next(edge, now) {
                log::queued(LoggedEdge { id: edge, address, source: None }, command);
            }
            Some(id)
        } else {
            log::rejected(edge, action);
            None
        };
        // Fails only when the client has disconnected. The command stands.
        let _ = reply.send(id);
    }

    fn set_keys(&mut self, ring: KeyRing) {
        let ids: Vec<String> = ring.ids().map(|id: KeyId| id.to_string()).collect();
        info!(keys = %ids.join(","), "keys reloaded");
        self.metrics.set_keys(ring.ids().collect());
        self.receiver.set_keys(ring);
    }

    fn now(&self) -> Time {
        Time::after_origin(self.clock.elapsed())
    }

    /// Times out edges and commands.
    fn sweep(&mut self) {
        let now = self.now();
        let was_isolated = self.fleet.is_isolated();
        let published = self.published.load();
        let logged = |edge: EdgeId| LoggedEdge {
            id: edge,
            address: published.edge(edge).map(|edge| edge.redirect()),
            source: None,
        };
        let receiver = &mut self.receiver;
        self.fleet.sweep(now, |edge, change| {
            if change == Change::Forgotten {
                receiver.forget(edge);
            }
            log::change(logged(edge), change);
        });
        if self.fleet.is_isolated() && !was_isolated {
            warn!(
                "most edges fell silent at once and no reports arrive; isolated, keeping their last state; check the network of this machine"
            );
        }
        self.commands.expire(now, |edge, action| log::expired(logged(edge), action));
    }

    /// Publishes a snapshot if the fleet has changed since the last one; returns whether it has.
    fn publish(&mut self) -> bool {
        let snapshot = self.fleet.take_snapshot();
        let changed = snapshot.is_some();
        if let Some(snapshot) = snapshot {
            self.published.store(Arc::new(snapshot));
        }
        changed
    }
}
