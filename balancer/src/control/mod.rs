//! Reports from the UDP socket into the fleet, acks back, and the fleet's snapshot to whoever reads it.

mod metrics;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};
use weir_admin::CommandRequest;
use weir_fleet::{Change, Commands, Fleet, Moment, Origin, Snapshot, State, Time};
use weir_program::clock::{Clock, unix_milliseconds};
use weir_program::random;
use weir_protocol::datagram::MAX_LENGTH;
use weir_protocol::key::KeyId;
use weir_protocol::{Arrival, EdgeId, KeyRing, Receiver};

pub use metrics::Metrics;

/// How often time is let pass over the fleet, and the least time between two snapshots: fifty times shorter than the
/// timeout, so that it adds nothing to it that anybody would notice, and so rare that 100,000 edges cost nothing to speak of.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// How many datagrams are taken in before the sweep gets a turn: a flood of them must not stop time.
const BATCH: usize = 256;

/// Takes in reports, and operators' commands, until it is told to stop.
#[derive(Debug)]
pub struct Control {
    /// Where reports arrive.
    pub socket: UdpSocket,
    /// Decides which are believed.
    pub receiver: Receiver,
    /// What they change.
    pub fleet: Fleet,
    /// What operators want of edges.
    pub commands: Commands,
    /// What this balancer calls itself in its acks.
    pub name: Option<String>,
    /// Where readers find the fleet.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// Where operators' commands come in.
    pub command_requests: mpsc::Receiver<CommandRequest>,
    /// Where new secrets come in.
    pub rings: mpsc::Receiver<KeyRing>,
    /// For the time of arrival.
    pub clock: Clock,
    /// For counting.
    pub metrics: Metrics,
}

impl Control {
    /// Takes in reports until `shutdown` is done.
    ///
    /// # Errors
    /// When the socket fails for good. An error that one packet caused is logged and passed over.
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
                    self.take_in_batch();
                }
            }
            let now = self.now();
            if now >= next_snapshot && self.publish() {
                next_snapshot = now + SWEEP_INTERVAL;
            }
        }
    }

    /// Takes in what has arrived, up to [`BATCH`] datagrams.
    fn take_in_batch(&mut self) {
        // One byte more than the longest report, so that a longer one is seen to be too long rather than cut.
        let mut buffer = [0; MAX_LENGTH + 1];
        for _ in 0..BATCH {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((length, source)) => self.take_in(&mut buffer[..length], source),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // ICMP errors of earlier acks and the like: they say nothing of this socket.
                Err(error) => debug!(%error, "a report could not be received"),
            }
        }
    }

    fn take_in(&mut self, datagram: &mut [u8], source: SocketAddr) {
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
            info!("edges are heard again");
        }
        let change = self.fleet.apply(edge, &accepted.report, origin, now);
        if self.commands.confirm(edge, accepted.report.last_command) {
            info!(%edge, "edge obeyed");
        }
        if let Some(change) = change {
            log(edge, change, Some(origin.source));
        } else if accepted.booted {
            info!(%edge, source = %origin.source, "edge started again");
        }
        self.acknowledge(edge, source, length, now);
    }

    fn acknowledge(&mut self, edge: EdgeId, source: SocketAddr, report_length: usize, now: Moment) {
        let command = self.commands.next(edge, now.monotonic);
        let mut output = [0; MAX_LENGTH];
        let name = self.name.as_deref();
        if let Some(ack) = self.receiver.acknowledge(edge, name, command, report_length, &mut output) {
            // When the socket's buffer is full the ack is lost, as it may be on its way: the next report gets another.
            match self.socket.try_send_to(ack, source) {
                Ok(_) => self.metrics.acks.inc(),
                Err(error) => debug!(%edge, %error, "an ack could not be sent"),
            }
        }
    }

    fn queue_command(&mut self, request: CommandRequest) {
        let CommandRequest { edge, action, reply } = request;
        let random = u64::from_ne_bytes(random::bytes());
        let known = self.fleet.knows(edge);
        let id = known.then(|| self.commands.give(edge, action, self.now(), random));
        info!(%edge, ?action, known, "an operator's order");
        // Who asked may have gone; the command stands.
        let _ = reply.send(id);
    }

    fn set_keys(&mut self, ring: KeyRing) {
        let ids: Vec<String> = ring.ids().map(|id: KeyId| id.to_string()).collect();
        info!(keys = ids.join(" "), "keys exchanged");
        self.metrics.set_keys(ring.ids().collect());
        self.receiver.set_ring(ring);
    }

    fn now(&self) -> Time {
        Time::after_origin(self.clock.elapsed())
    }

    fn sweep(&mut self) {
        let now = self.now();
        let was_cut_off = self.fleet.is_isolated();
        let receiver = &mut self.receiver;
        self.fleet.sweep(now, |edge, change| {
            if change == Change::Forgotten {
                receiver.forget(edge);
            }
            log(edge, change, None);
        });
        if self.fleet.is_isolated() && !was_cut_off {
            warn!(
                "most edges fell silent at once and nothing arrives: is this machine cut off? The last state is kept"
            );
        }
        self.commands.expire(now, |edge, action| warn!(%edge, ?action, "edge does not obey: the order is given up"));
    }

    /// Shows readers the fleet, if the set of edges or a description has changed; whether it has.
    fn publish(&mut self) -> bool {
        let snapshot = self.fleet.take_snapshot();
        let changed = snapshot.is_some();
        if let Some(snapshot) = snapshot {
            self.published.store(Arc::new(snapshot));
        }
        changed
    }
}

fn log(edge: EdgeId, change: Change, source: Option<IpAddr>) {
    let source = source.map(tracing::field::display);
    match change {
        Change::Joined => info!(%edge, source, "edge joined"),
        Change::Disallowed => {
            warn!(%edge, source, "edge names a host outside [redirect] hosts and networks: it gets no clients");
        }
        Change::Duplicate(other) => warn!(
            %edge, source, %other,
            "two senders report under one GUID, and the first is kept: remove the GUID file of the copied installation"
        ),
        Change::State(State::TimedOut) => warn!(%edge, "edge timed out: no report for too long"),
        Change::State(state) => info!(%edge, state = state.name(), "edge changed state"),
        Change::Forgotten => info!(%edge, "edge forgotten: silent for so long that it is no longer listed"),
    }
}
