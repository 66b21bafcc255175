//! The agent: reads its probes, applies commands, and decides when each target gets which report.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};
use weir_program::clock::unix_milliseconds;
use weir_program::random;
use weir_protocol::Action;
use weir_protocol::report::{Reasons, Status};

use crate::availability::Availability;
use crate::config::Config;
use crate::control::{self, AgentStatus, PendingRequest};
use crate::pace::Pace;
use crate::prober::Prober;
use crate::snapshot::Snapshot;
use crate::state_file::{NotSaved, StateFile};
use crate::target::{self, ReceivedCommand, Shared};

/// Maximum time for the last reports to all targets.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of commands and requests that wait for the agent, which handles them at once.
const QUEUE: usize = 16;

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control socket cannot be bound.
    #[error("{0}: cannot be bound: {1}; choose another folder with --state")]
    Control(PathBuf, io::Error),
    /// Another agent runs with the same state folder.
    #[error("{0}: another agent runs with this state folder; stop it, or choose another with --state")]
    AlreadyRuns(PathBuf),
}

/// Reports until `shutdown` resolves, and then tells every target that the edge stops.
///
/// # Errors
/// When the agent cannot start.
pub async fn run(mut config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    let (request, requests) = mpsc::channel(QUEUE);
    if let Some(folder) = &config.state_folder {
        tasks.spawn(control::serve(bind_control(folder)?, request.clone()));
    }
    let start = Instant::now();
    let mut prober = Prober::start(std::mem::take(&mut config.probes), start, config.interval);
    let mut shutdown = std::pin::pin!(shutdown);
    // The first report has the first readings, or says that there are none.
    tokio::select! {
        () = &mut shutdown => return Ok(()),
        () = prober.first() => {}
    }

    let mut state_file = StateFile::in_folder(config.state_folder.as_deref());
    let mut availability = Availability::new(state_file.load());
    let boot_time = availability.operator.record_start(unix_milliseconds());
    if let Err(error) = state_file.save(&availability.operator) {
        error!(%error, "state file cannot be written");
    }
    let (publish, snapshots) = watch::channel(Snapshot::default());
    let (command, commands) = mpsc::channel(QUEUE);
    let shared = Arc::new(Shared::new(config, boot_time));
    let mut senders = JoinSet::new();
    for index in 0..shared.config.targets.len() {
        senders.spawn(target::report(Arc::clone(&shared), index, snapshots.clone(), command.clone()));
    }
    let pace = Pace::new(shared.config.interval, start.elapsed());
    let mut agent =
        Agent { shared, start, prober, availability, state_file, confirmations: 0, publish, pace, is_first: true };
    // Kept open, so that an agent without a control socket waits for a request forever.
    let _request = request;
    agent.work(commands, requests, shutdown).await;
    agent.publish_goodbye();
    drop(agent);
    let goodbye = async { while senders.join_next().await.is_some() {} };
    // A target whose name does not resolve must not delay the shutdown.
    let _ = timeout(GOODBYE_TIMEOUT, goodbye).await;
    Ok(())
}

fn bind_control(folder: &Path) -> Result<UnixListener, Error> {
    control::bind(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::AlreadyRuns(folder.to_owned()),
        _ => Error::Control(control::socket_in(folder), error),
    })
}

struct Agent {
    shared: Arc<Shared>,
    /// The origin of monotonic time.
    start: Instant,
    prober: Prober,
    availability: Availability,
    state_file: StateFile,
    /// The number of commands confirmed so far.
    confirmations: u64,
    /// The snapshot that was reported last.
    publish: watch::Sender<Snapshot>,
    pace: Pace,
    /// Whether nothing has been reported yet.
    is_first: bool,
}

impl Agent {
    async fn work(
        &mut self,
        mut commands: mpsc::Receiver<ReceivedCommand>,
        mut requests: mpsc::Receiver<PendingRequest>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) {
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = self.prober.fresh_at(self.pace.next()) => {
                    self.report();
                    continue;
                }
                () = self.prober.changed() => {}
                Some(received) = commands.recv() => self.receive(received),
                Some(request) = requests.recv() => self.answer(request),
            }
            if self.snapshot().is_urgent_after(&self.publish.borrow()) {
                self.pace.hurry(self.start.elapsed());
            }
        }
    }

    /// Returns the current state of the edge.
    fn snapshot(&mut self) -> Snapshot {
        let now = unix_milliseconds();
        let (reading, is_healthy) = self.prober.read(self.start.elapsed());
        self.availability.set_load(reading.connections, self.shared.config.capacity);
        let (status, reasons) = self.availability.status(is_healthy, now);
        let drain_deadline = self.availability.operator.drain_deadline(now);
        Snapshot { status, reasons, drain_deadline, reading, confirmations: self.confirmations }
    }

    /// Sends a report to every target.
    fn report(&mut self) {
        let snapshot = self.snapshot();
        let has_changed = {
            let reported = self.publish.borrow();
            reported.status != snapshot.status || reported.reasons != snapshot.reasons
        };
        if self.is_first || has_changed {
            log(&snapshot);
        }
        self.publish.send_replace(snapshot);
        let now = self.start.elapsed();
        self.pace.sent(now, u32::from_ne_bytes(random::bytes()));
        // A balancer accepts an edge that is new to it at the second report.
        if std::mem::take(&mut self.is_first) {
            self.pace.hurry(now);
        }
    }

    /// Handles a command that a balancer sent with an ack. The balancer repeats it until it is confirmed.
    fn receive(&mut self, received: ReceivedCommand) {
        let (target, id) = (received.target, received.command.id);
        let saved = if self.availability.operator.is_new(id) {
            let shared = Arc::clone(&self.shared);
            self.apply(received.command.action, &shared.config.targets[target].address, Some(id))
        } else if self.state_file.is_saved() {
            Ok(())
        } else {
            self.save()
        };
        // A command that could be lost at the next restart is not confirmed: the balancer's operator has to know.
        if saved.is_ok() {
            self.shared.set_last_command(target, id);
            self.confirmations += 1;
        }
    }

    /// Handles a request over the control socket.
    fn answer(&mut self, (request, reply): PendingRequest) {
        let applied = request.action().map_or(Ok(()), |action| self.apply(action, &"control-socket", None));
        let answer = applied
            .map(|()| self.status())
            .map_err(|error| format!("{error}; the command is in effect, but will be lost when the agent restarts"));
        // Fails only when the client has disconnected.
        let _ = reply.send(answer);
    }

    fn status(&mut self) -> AgentStatus {
        let snapshot = self.snapshot();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        AgentStatus {
            edge: self.shared.config.edge.to_string(),
            status: snapshot.status.name().to_owned(),
            reasons: snapshot.reasons.names().map(str::to_owned).collect(),
            drain_deadline_ms: snapshot.drain_deadline.map(milliseconds),
            connections: snapshot.reading.connections,
            targets: self.shared.target_statuses(),
        }
    }

    /// Applies a command, and saves it before it is confirmed. `source` is where it came from, `id` its id if a balancer
    /// sent it.
    fn apply(&mut self, action: Action, source: &dyn fmt::Display, id: Option<u64>) -> Result<(), NotSaved> {
        let id = id.map(|id| tracing::field::display(format!("{id:016x}")));
        info!(%source, command = %action.name(), id, "command applied");
        self.availability.operator.apply(action, unix_milliseconds());
        self.save()
    }

    fn save(&mut self) -> Result<(), NotSaved> {
        let saved = self.state_file.save(&self.availability.operator);
        if let Err(error) = &saved {
            error!(%error, "state file cannot be written");
        }
        saved
    }

    /// Publishes a last snapshot, with the status stopping.
    fn publish_goodbye(&mut self) {
        let snapshot = self.snapshot();
        let reasons = snapshot.reasons.with(Reasons::SHUTDOWN);
        self.publish.send_replace(Snapshot { status: Status::Stopping, reasons, ..snapshot });
    }
}

fn log(snapshot: &Snapshot) {
    if snapshot.status == Status::Running {
        info!("edge accepts clients");
    } else {
        let reasons: Vec<&str> = snapshot.reasons.names().collect();
        warn!(status = %snapshot.status.name(), reasons = %reasons.join(","), "edge accepts no new clients");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use weir_protocol::EdgeId;
    use weir_protocol::report::Capacity;

    use super::*;
    use crate::control::ControlRequest;
    use crate::probe::{Probe, ReadFuture, Reading};
    use crate::prober::ANSWER_LIMIT;

    const INTERVAL: Duration = Duration::from_millis(2500);

    /// Reads the milliseconds since its first reading, divided by `slowness`, as connections. Each reading but the first
    /// one takes a while.
    #[derive(Debug)]
    struct Clock {
        start: Option<Instant>,
        slowness: u64,
        takes: Duration,
    }

    impl Probe for Clock {
        fn name(&self) -> String {
            "clock".to_owned()
        }

        fn read(&mut self) -> ReadFuture<'_> {
            let is_first = self.start.is_none();
            let started_at = self.start.get_or_insert_with(Instant::now).elapsed();
            let connections = Some(u64::try_from(started_at.as_millis()).unwrap() / self.slowness);
            let takes = if is_first { Duration::ZERO } else { self.takes };
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                Ok(Reading { connections, ..Reading::default() })
            })
        }
    }

    /// A probe whose connections hardly change.
    fn steady(takes: Duration) -> Clock {
        Clock { start: None, slowness: 1000, takes }
    }

    /// A running agent without targets, and the snapshots that it would report.
    struct Running {
        start: Instant,
        snapshots: watch::Receiver<Snapshot>,
        request: mpsc::Sender<PendingRequest>,
        _command: mpsc::Sender<ReceivedCommand>,
        stop: oneshot::Sender<()>,
        agent: tokio::task::JoinHandle<Agent>,
    }

    impl Running {
        async fn with(probe: Clock) -> Self {
            let start = Instant::now();
            let mut prober = Prober::start(vec![Box::new(probe)], start, INTERVAL);
            prober.first().await;
            let config = Config {
                edge: EdgeId([7; 16]),
                targets: Vec::new(),
                redirect: None,
                endpoints: Vec::new(),
                probes: Vec::new(),
                interval: INTERVAL,
                zone: None,
                tags: Vec::new(),
                weight: None,
                capacity: Capacity::default(),
                state_folder: None,
            };
            let state_file = StateFile::in_folder(None);
            let availability = Availability::new(state_file.load());
            let (publish, snapshots) = watch::channel(Snapshot::default());
            let shared = Arc::new(Shared::new(config, 0));
            let pace = Pace::new(INTERVAL, start.elapsed());
            let mut agent = Agent {
                shared,
                start,
                prober,
                availability,
                state_file,
                confirmations: 0,
                publish,
                pace,
                is_first: true,
            };
            let (command, commands) = mpsc::channel(QUEUE);
            let (request, requests) = mpsc::channel(QUEUE);
            let (stop, stopped) = oneshot::channel::<()>();
            let agent = tokio::spawn(async move {
                agent.work(commands, requests, std::pin::pin!(async { drop(stopped.await) })).await;
                agent
            });
            Self { start, snapshots, request, _command: command, stop, agent }
        }

        /// Returns the next report, and when it is sent.
        async fn next(&mut self) -> (Duration, Snapshot) {
            self.snapshots.changed().await.unwrap();
            (self.start.elapsed(), self.snapshots.borrow_and_update().clone())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_figures_of_a_report_are_fresh() {
        // A millisecond is a connection: every reading is a jump, except for those soon after a report.
        for slowness in [1, 100] {
            let takes = Duration::from_millis(3);
            let mut edge = Running::with(Clock { start: None, slowness, takes }).await;
            for _ in 0..50 {
                let (at, snapshot) = edge.next().await;
                let read_at = Duration::from_millis(snapshot.reading.connections.unwrap() * slowness);
                // Times are rounded down to a connection.
                assert!(at - read_at < Duration::from_millis(25 + slowness), "{at:?} {read_at:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_or_hanging_probes_change_neither_the_pace_of_reports_nor_their_number() {
        for takes in [Duration::ZERO, Duration::from_millis(100), Duration::MAX] {
            let mut edge = Running::with(steady(takes)).await;
            // By then the urgent reports have been sent: the second one, and the one that says that the load is unknown.
            while edge.next().await.0 < Duration::from_secs(10) {}
            let mut times = Vec::new();
            for _ in 0..25 {
                times.push(edge.next().await.0);
            }
            // The jitter of two reports, and the resolution of a timer.
            let tolerance = INTERVAL.mul_f64(0.02) + takes.min(ANSWER_LIMIT) + Duration::from_millis(2);
            for pair in times.windows(2) {
                assert!((pair[1] - pair[0]).abs_diff(INTERVAL) <= tolerance, "{takes:?}: {pair:?}");
            }
            // The jitter adds up to 2 % of the whole at most, and usually to an eighth of that. 24 times the time taken by
            // the readings would be more.
            let late = (times[24] - times[0]).abs_diff(24 * INTERVAL);
            assert!(late < Duration::from_millis(1200), "{takes:?}: {late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_is_reported_within_the_limit_while_a_probe_hangs() {
        let mut edge = Running::with(steady(Duration::MAX)).await;
        // By then it has been reported that the load is unknown, and the next report is not due for a while.
        while edge.next().await.0 < Duration::from_secs(10) {}
        tokio::time::sleep(Duration::from_secs(1)).await;
        let received_at = edge.start.elapsed();
        let (reply, _) = oneshot::channel();
        edge.request.send((ControlRequest::Pause, reply)).await.unwrap();
        let (at, snapshot) = edge.next().await;
        assert_eq!(snapshot.reasons.names().collect::<Vec<_>>(), ["operator", "health"]);
        assert!(at - received_at <= ANSWER_LIMIT + Duration::from_millis(1), "{received_at:?} {at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopping_edge_does_not_wait_for_its_probes() {
        let mut edge = Running::with(steady(Duration::MAX)).await;
        let second = edge.next().await.0 + Duration::from_millis(250);
        // While the second report waits for the probe.
        tokio::time::sleep_until(edge.start + second + ANSWER_LIMIT / 2).await;
        edge.stop.send(()).unwrap();
        edge.agent.await.unwrap().publish_goodbye();
        assert_eq!(edge.start.elapsed(), second + ANSWER_LIMIT / 2);
        assert_eq!(edge.snapshots.borrow().status, Status::Stopping);
    }
}
