//! The exchange with one balancer: reports out, acks in.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use weir_program::clock::unix_milliseconds;
use weir_protocol::Command;
use weir_protocol::report::Status;

use crate::config::Config;
use crate::control::TargetStatus;
use crate::sender::Sender;
use crate::snapshot::Snapshot;

/// How often the last report is sent, and the pause in between. If it were lost, clients would be sent to this edge
/// until the balancer's timeout.
const LAST_REPORTS: u32 = 3;
const LAST_REPORTS_PAUSE: Duration = Duration::from_millis(20);

/// A command that was received with an ack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceivedCommand {
    /// The index of the target that sent it.
    pub(crate) target: usize,
    pub(crate) command: Command,
}

/// Data that the agent and its targets share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    boot_time: u64,
    /// The state of each target. Locked only briefly, never across an await.
    targets: Vec<Mutex<TargetState>>,
}

#[derive(Debug, Default)]
struct TargetState {
    /// The id of the last command from this target that was confirmed.
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

    /// Confirms this command to the target in all further reports.
    pub(crate) fn set_last_command(&self, target: usize, id: u64) {
        self.target(target).last_command = Some(id);
    }

    /// Returns the status of each target.
    pub(crate) fn target_statuses(&self) -> Vec<TargetStatus> {
        let status = |index: usize| {
            let state = self.target(index);
            TargetStatus {
                target: self.config.targets[index].address.to_string(),
                balancer: state.balancer.clone(),
                last_ack_ms: state.acked_at.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)),
                round_trip_us: state.round_trip.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
                error: state.error.clone(),
            }
        };
        (0..self.targets.len()).map(status).collect()
    }

    fn target(&self, index: usize) -> MutexGuard<'_, TargetState> {
        // No code that holds the lock can panic. If it did, the state would still be good enough for people to read.
        self.targets[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Sends a report to one target for each snapshot, until a snapshot has the status stopping.
pub(crate) async fn report(
    shared: Arc<Shared>,
    index: usize,
    mut snapshots: watch::Receiver<Snapshot>,
    commands: mpsc::Sender<ReceivedCommand>,
) {
    let mut sender = Sender::new(&shared.config.targets[index], shared.config.edge);
    let mut sent_at = Instant::now();
    loop {
        let ack = tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                None
            }
            ack = sender.next_ack() => Some(ack),
        };
        if let Some(ack) = ack {
            {
                let mut state = shared.target(index);
                state.acked_at = Some(Instant::now());
                state.round_trip = ack.is_of_last.then(|| sent_at.elapsed()).or(state.round_trip);
                state.balancer = ack.balancer.or(state.balancer.take());
            }
            if let Some(command) = ack.command {
                // Fails only when the agent has stopped, and this task with it.
                let _ = commands.send(ReceivedCommand { target: index, command }).await;
            }
            continue;
        }
        let snapshot = snapshots.borrow_and_update().clone();
        let is_last = snapshot.status == Status::Stopping;
        for repetition in 0..if is_last { LAST_REPORTS } else { 1 } {
            if repetition > 0 {
                tokio::time::sleep(LAST_REPORTS_PAUSE).await;
            }
            let last_command = shared.target(index).last_command;
            let report = shared.config.report(&snapshot, last_command, shared.boot_time, unix_milliseconds());
            sent_at = Instant::now();
            sender.send(&report).await;
            shared.target(index).error = sender.last_error().map(str::to_owned);
        }
        if is_last {
            return;
        }
    }
}
