//! The conversation with one target: reports out, acks in.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::debug;
use weir_program::clock::unix_milliseconds;
use weir_protocol::Command;
use weir_protocol::report::Status;

use crate::config::Config;
use crate::control::TargetReport;
use crate::news::News;
use crate::sender::Sender;

/// How often the last report is sent, and the time in between: one lost datagram would cost the clients of a whole
/// timeout.
const LAST_REPORTS: u32 = 3;
const LAST_REPORTS_PAUSE: Duration = Duration::from_millis(20);

/// A command that came with an ack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// Which target it came from.
    pub(crate) target: usize,
    pub(crate) command: Command,
}

/// What the agent and its targets share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    boot_time: u64,
    /// For each target. Locked for a moment, never while anything is awaited.
    targets: Vec<Mutex<TargetState>>,
}

#[derive(Debug, Default)]
struct TargetState {
    /// The last command obeyed that came from it.
    last_command: Option<u64>,
    balancer: Option<String>,
    acked_at: Option<Instant>,
    round_trip: Option<Duration>,
    error: Option<String>,
}

impl Shared {
    pub(crate) fn new(config: Config, boot_time: u64) -> Self {
        let targets = config.targets.iter().map(|_| Mutex::default()).collect();
        Self { config, boot_time, targets }
    }

    pub(crate) fn set_last_command(&self, target: usize, id: u64) {
        self.target(target).last_command = Some(id);
    }

    /// How things are with each target.
    pub(crate) fn target_reports(&self) -> Vec<TargetReport> {
        let report = |index: usize| {
            let state = self.target(index);
            TargetReport {
                target: self.config.targets[index].address.to_string(),
                balancer: state.balancer.clone(),
                acked: state.acked_at.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
                round_trip: state.round_trip.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
                error: state.error.clone(),
            }
        };
        (0..self.targets.len()).map(report).collect()
    }

    fn target(&self, index: usize) -> MutexGuard<'_, TargetState> {
        // Nothing that holds the lock can panic; and if it had, the figures would still be good for people to read.
        self.targets[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Reports to one target whenever there are news, until they say that the edge stops.
pub(crate) async fn report(
    shared: Arc<Shared>,
    index: usize,
    mut told: watch::Receiver<News>,
    hear: mpsc::Sender<Heard>,
) {
    let mut sender = Sender::new(&shared.config.targets[index], shared.config.edge);
    let mut sent_at = Instant::now();
    loop {
        let acked = tokio::select! {
            changed = told.changed() => {
                if changed.is_err() {
                    return;
                }
                None
            }
            ack = sender.next_ack() => Some(ack),
        };
        if let Some(ack) = acked {
            {
                let mut state = shared.target(index);
                state.acked_at = Some(Instant::now());
                state.round_trip = ack.is_of_last.then(|| sent_at.elapsed()).or(state.round_trip);
                state.balancer = ack.balancer.or(state.balancer.take());
            }
            if let Some(command) = ack.command {
                debug!(?command, "heard");
                // The agent has gone: so will this.
                let _ = hear.send(Heard { target: index, command }).await;
            }
            continue;
        }
        let news = told.borrow_and_update().clone();
        let is_last = news.status == Status::Stopping;
        for repetition in 0..if is_last { LAST_REPORTS } else { 1 } {
            if repetition > 0 {
                tokio::time::sleep(LAST_REPORTS_PAUSE).await;
            }
            let last_command = shared.target(index).last_command;
            let report = shared.config.report(&news, last_command, shared.boot_time, unix_milliseconds());
            sent_at = Instant::now();
            sender.send(&report).await;
            shared.target(index).error = sender.trouble().map(str::to_owned);
        }
        if is_last {
            return;
        }
    }
}
