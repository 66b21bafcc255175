//! Reports: from the UDP socket into the fleet, and the fleet's snapshot to whoever reads it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::UdpSocket;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};
use weir_protocol::datagram::MAX_LENGTH;
use weir_protocol::{EdgeId, Receiver};

use crate::clock::Clock;
use crate::fleet::{Change, Fleet, Snapshot, State};
use crate::metrics::Metrics;

/// How often time is let pass over the fleet, and the least time between two snapshots: fifty times shorter than the
/// timeout, so that it adds nothing to it that anybody would notice, and so rare that 100,000 edges cost nothing to speak of.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// How many datagrams are taken in before the sweep gets a turn: a flood of them must not stop time.
const BATCH: usize = 256;

/// Takes in reports until it is cancelled or told to stop.
#[derive(Debug)]
pub struct Intake {
    /// Where reports arrive.
    pub socket: UdpSocket,
    /// Decides which are believed.
    pub receiver: Receiver,
    /// What they change.
    pub fleet: Fleet,
    /// Where readers find the fleet.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// For the time of arrival.
    pub clock: Clock,
    /// For counting.
    pub metrics: Arc<Metrics>,
}

impl Intake {
    /// Takes in reports until `shutdown` is done.
    ///
    /// # Errors
    /// When the socket fails for good. An error that one packet caused is logged and passed over.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_snapshot = self.clock.now();
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                _ = sweep.tick() => self.sweep(),
                readable = self.socket.readable() => {
                    readable?;
                    self.take_in_batch();
                }
            }
            let now = self.clock.now();
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
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // ICMP errors of earlier sends and the like: they say nothing of this socket.
                Err(error) => debug!(%error, "a report could not be received"),
            }
        }
    }

    fn take_in(&mut self, datagram: &mut [u8], source: SocketAddr) {
        let accepted = match self.receiver.open(datagram, self.clock.unix_milliseconds()) {
            Ok(accepted) => accepted,
            Err(rejection) => {
                self.metrics.reject_report(rejection);
                return;
            }
        };
        self.metrics.reports.inc();
        let source = source.ip().to_canonical();
        let change = self.fleet.apply(accepted.edge, &accepted.report, source, self.clock.now());
        if let Some(change) = change {
            log(accepted.edge, change, Some(source));
        }
    }

    fn sweep(&mut self) {
        let receiver = &mut self.receiver;
        self.fleet.sweep(self.clock.now(), |edge, change| {
            if change == Change::Forgotten {
                receiver.forget(edge);
            }
            log(edge, change, None);
        });
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
    match change {
        Change::Joined => info!(%edge, source = source.map(tracing::field::display), "edge joined"),
        Change::State(State::TimedOut) => warn!(%edge, "edge timed out: no report for too long"),
        Change::State(state) => info!(%edge, state = state.name(), "edge changed state"),
        Change::Forgotten => info!(%edge, "edge forgotten: silent for so long that it is no longer listed"),
    }
}
