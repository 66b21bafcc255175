//! The reports of an agent, received by a balancer's end of the protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use weir_edge_agent::agent::Error;
use weir_edge_agent::control::{self, ControlRequest};
use weir_edge_agent::probe::{Accepted, Probe, ReadFuture, Reading};
use weir_edge_agent::{Config, Target};
use weir_program::clock::unix_milliseconds;
use weir_protocol::datagram::MAX_LENGTH;
use weir_protocol::receiver::Limits;
use weir_protocol::report::{Capacity, Reasons, Status};
use weir_protocol::{Action, Arrival, Command, EdgeId, Name, Receiver, Rejection, Report, Secret};

const EDGE: EdgeId = EdgeId([7; 16]);
/// Long enough for any machine; nothing waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A probe that reads seven connections, and can be made to fail.
#[derive(Debug, Default)]
struct Switched(Arc<AtomicBool>);

impl Probe for Switched {
    fn name(&self) -> String {
        "switched".to_owned()
    }

    fn read(&mut self) -> ReadFuture<'_> {
        let fails = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            if fails { Err("switched off".into()) } else { Ok(Reading { connections: Some(7), ..Reading::default() }) }
        })
    }
}

/// A probe that reads these totals of accepted connections, one after the other.
#[derive(Debug)]
struct Restarted(Vec<u64>);

impl Probe for Restarted {
    fn name(&self) -> String {
        "restarted".to_owned()
    }

    fn read(&mut self) -> ReadFuture<'_> {
        let total = if self.0.len() > 1 { self.0.remove(0) } else { self.0[0] };
        Box::pin(async move {
            Ok(Reading {
                accepted: Some(Accepted { total, is_estimate: true }),
                hot_streams: Some([7, 3].into_iter().collect()),
                ..Reading::default()
            })
        })
    }
}

/// A balancer's end of the protocol.
struct Balancer {
    socket: UdpSocket,
    receiver: Receiver,
    secret: Secret,
}

/// The fields of a report that the tests compare.
#[derive(Debug, PartialEq)]
struct Seen {
    status: Status,
    reasons: Reasons,
    connections: Option<u64>,
    last_command: Option<u64>,
}

impl Balancer {
    async fn with_secret(byte: u8) -> Self {
        let secret = Secret::from_random([byte; 32]);
        let receiver = Receiver::new([secret.clone()].into_iter().collect(), Limits::default(), [9; 16]);
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), receiver, secret }
    }

    fn target(&self) -> Target {
        let address = self.socket.local_addr().unwrap().to_string().parse().unwrap();
        Target { address, key: self.secret.edge_key(EDGE) }
    }

    /// Returns what `look` returns for the next accepted report, with the source and length of the datagram. The first
    /// report is not accepted: it only announces the edge.
    async fn look<T>(&mut self, look: impl Fn(&Report<'_>) -> T) -> (T, SocketAddr, usize) {
        let mut buffer = [0; 2000];
        loop {
            let received = timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await;
            let (length, source) = received.expect("a report").unwrap();
            let arrival = Arrival { source, monotonic: Duration::ZERO, unix: unix_milliseconds() };
            match self.receiver.open(&mut buffer[..length], &arrival) {
                Ok(accepted) => return (look(&accepted.report), source, length),
                Err(rejection) => assert_eq!(rejection, Rejection::Unconfirmed),
            }
        }
    }

    async fn next_from(&mut self) -> (Seen, SocketAddr, usize) {
        self.look(|report| Seen {
            status: report.status,
            reasons: report.reasons,
            connections: report.load.connections,
            last_command: report.last_command,
        })
        .await
    }

    async fn next(&mut self) -> Seen {
        self.next_from().await.0
    }

    /// Acknowledges the next report with this command.
    async fn command(&mut self, command: Command) {
        let (_, source, length) = self.next_from().await;
        let mut output = [0; MAX_LENGTH];
        let ack = self.receiver.acknowledge(EDGE, Name::new("lb1").ok(), Some(command), length, &mut output).unwrap();
        self.socket.send_to(ack, source).await.unwrap();
    }

    /// Receives reports until one is as expected.
    async fn await_seen(&mut self, expected: Seen) {
        timeout(PATIENCE, async { while self.next().await != expected {} }).await.expect("such a report");
    }
}

fn config(targets: Vec<Target>, probe: impl Probe + 'static, interval: Duration) -> Config {
    Config {
        edge: EDGE,
        targets,
        redirect: Some("edge1".to_owned()),
        endpoints: Vec::new(),
        probes: vec![Box::new(probe)],
        interval,
        zone: None,
        tags: Vec::new(),
        weight: None,
        capacity: Capacity::default(),
        state_folder: None,
    }
}

fn start(config: Config) -> (oneshot::Sender<()>, JoinHandle<Result<(), Error>>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let agent = tokio::spawn(weir_edge_agent::run(config, async {
        let _ = stopped.await;
    }));
    (stop, agent)
}

const RUNNING: Seen =
    Seen { status: Status::Running, reasons: Reasons::NONE, connections: Some(7), last_command: None };

#[tokio::test]
async fn every_target_gets_the_first_report_at_once_each_under_its_own_key() {
    let (mut first, mut second) = (Balancer::with_secret(1).await, Balancer::with_secret(2).await);
    // An hour between reports: only those that are sent at once arrive.
    let hour = Duration::from_secs(3600);
    let (_stop, _agent) = start(config(vec![first.target(), second.target()], Switched::default(), hour));
    assert_eq!(first.next().await, RUNNING);
    assert_eq!(second.next().await, RUNNING);
}

#[tokio::test]
async fn an_unreachable_target_does_not_delay_the_others() {
    let mut alive = Balancer::with_secret(1).await;
    let unknown = Target { address: "no-such-host.invalid:1934".parse().unwrap(), ..alive.target() };
    let deaf = Target { address: "127.0.0.1:1".parse().unwrap(), ..alive.target() };
    let often = Duration::from_millis(100);
    let (_stop, _agent) = start(config(vec![unknown, deaf, alive.target()], Switched::default(), often));
    for _ in 0..5 {
        assert_eq!(alive.next().await, RUNNING);
    }
}

#[tokio::test]
async fn an_edge_whose_probe_fails_takes_no_clients_and_its_load_is_unknown() {
    let mut balancer = Balancer::with_secret(1).await;
    let fails = Arc::new(AtomicBool::new(true));
    let probe = Switched(Arc::clone(&fails));
    let (_stop, _agent) = start(config(vec![balancer.target()], probe, Duration::from_millis(100)));
    let unhealthy = Seen { status: Status::Paused, reasons: Reasons::HEALTH, connections: None, last_command: None };
    assert_eq!(balancer.next().await, unhealthy);
    fails.store(false, Ordering::Relaxed);
    balancer.await_seen(RUNNING).await;
    fails.store(true, Ordering::Relaxed);
    balancer.await_seen(unhealthy).await;
}

#[tokio::test]
async fn the_accepted_total_does_not_decrease_when_the_media_server_restarts() {
    let mut balancer = Balancer::with_secret(1).await;
    let probe = Restarted(vec![1000, 1000, 1000, 3, 5]);
    let (_stop, _agent) = start(config(vec![balancer.target()], probe, Duration::from_millis(100)));
    let mut totals = Vec::new();
    while totals.last().is_none_or(|total| total % 10 != 5) {
        let total = |report: &Report<'_>| (report.load.accepted, report.load.accepted_is_estimate);
        let (total, is_estimate) = timeout(PATIENCE, balancer.look(total)).await.expect("a report").0;
        assert!(is_estimate);
        totals.extend(total);
    }
    assert_eq!(totals.last(), Some(&1005), "{totals:?}");
    assert!(totals.is_sorted(), "{totals:?}");
}

#[tokio::test]
async fn the_hottest_streams_are_reported() {
    let mut balancer = Balancer::with_secret(1).await;
    let (_stop, _agent) = start(config(vec![balancer.target()], Restarted(vec![1]), Duration::from_secs(3600)));
    let (streams, ..) = balancer.look(|report| report.hot_streams.to_vec()).await;
    assert_eq!(streams, [7, 3]);
}

#[tokio::test]
async fn the_last_report_has_the_status_stopping() {
    let mut balancer = Balancer::with_secret(1).await;
    let (stop, agent) = start(config(vec![balancer.target()], Switched::default(), Duration::from_secs(3600)));
    assert_eq!(balancer.next().await, RUNNING);
    stop.send(()).unwrap();
    let stopping =
        Seen { status: Status::Stopping, reasons: Reasons::SHUTDOWN, connections: Some(7), last_command: None };
    // A single lost datagram must not delay this until the timeout.
    for _ in 0..3 {
        assert_eq!(balancer.next().await, stopping);
    }
    timeout(PATIENCE, agent).await.expect("the agent ends").unwrap().unwrap();
}

const PAUSED: Seen =
    Seen { status: Status::Paused, reasons: Reasons::OPERATOR, connections: Some(7), last_command: None };

#[tokio::test]
async fn a_command_of_one_balancer_is_applied_and_reported_to_every_balancer() {
    let (mut first, mut second) = (Balancer::with_secret(1).await, Balancer::with_secret(2).await);
    let hour = Duration::from_secs(3600);
    let (_stop, _agent) = start(config(vec![first.target(), second.target()], Switched::default(), hour));
    first.command(Command::new(11, Action::Pause)).await;
    // An hour between reports: the change is reported at once, and confirmed to the balancer that sent the command.
    first.await_seen(Seen { last_command: Some(11), ..PAUSED }).await;
    second.await_seen(PAUSED).await;
}

#[tokio::test]
async fn a_command_that_is_delivered_again_is_not_applied_again() {
    let mut balancer = Balancer::with_secret(1).await;
    let folder = tempfile::tempdir().unwrap();
    let often = Duration::from_millis(100);
    let mut config = config(vec![balancer.target()], Switched::default(), often);
    config.state_folder = Some(folder.path().to_owned());
    let (_stop, _agent) = start(config);
    let pause = Command::new(11, Action::Pause);
    balancer.command(pause).await;
    balancer.await_seen(Seen { last_command: Some(11), ..PAUSED }).await;
    let status = control::send(folder.path(), ControlRequest::Unpause).await.unwrap();
    assert_eq!(status.status, "running");
    balancer.command(pause).await;
    balancer.command(Command::new(12, Action::Unpause)).await;
    balancer.await_seen(Seen { last_command: Some(12), ..RUNNING }).await;
    assert_eq!(control::send(folder.path(), ControlRequest::Status).await.unwrap().status, "running");
}

#[tokio::test]
async fn a_pause_survives_a_restart_and_the_boot_time_grows() {
    let mut balancer = Balancer::with_secret(1).await;
    let folder = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    let started = |balancer: &Balancer| {
        let mut config = config(vec![balancer.target()], Switched::default(), hour);
        config.state_folder = Some(folder.path().to_owned());
        start(config)
    };
    let (stop, agent) = started(&balancer);
    assert_eq!(balancer.next().await, RUNNING);
    control::send(folder.path(), ControlRequest::Pause).await.unwrap();
    balancer.await_seen(PAUSED).await;
    stop.send(()).unwrap();
    agent.await.unwrap().unwrap();
    let (_stop, _agent) = started(&balancer);
    balancer.await_seen(PAUSED).await;
    let status = control::send(folder.path(), ControlRequest::Status).await.unwrap();
    assert_eq!((status.status.as_str(), &status.reasons[..]), ("paused", &["operator".to_owned()][..]));
}

#[tokio::test]
async fn a_second_agent_with_the_same_state_folder_does_not_start() {
    let balancer = Balancer::with_secret(1).await;
    let folder = tempfile::tempdir().unwrap();
    let with_folder = || {
        let mut config = config(vec![balancer.target()], Switched::default(), Duration::from_secs(1));
        config.state_folder = Some(folder.path().to_owned());
        config
    };
    let (_stop, _agent) = start(with_folder());
    timeout(PATIENCE, async {
        while control::send(folder.path(), ControlRequest::Status).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the first agent runs");
    let second = weir_edge_agent::run(with_folder(), std::future::pending()).await;
    assert!(matches!(second, Err(Error::AlreadyRuns(_))), "{second:?}");
}

#[tokio::test]
async fn a_command_that_cannot_be_saved_is_an_error_for_the_operator_and_is_not_confirmed() {
    let mut balancer = Balancer::with_secret(1).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(vec![balancer.target()], Switched::default(), Duration::from_millis(100));
    config.state_folder = Some(folder.path().to_owned());
    let (_stop, _agent) = start(config);
    assert_eq!(balancer.next().await, RUNNING);
    // Not even root can replace a folder by a file.
    let state_file = folder.path().join("operator.json");
    std::fs::remove_file(&state_file).unwrap();
    std::fs::create_dir(&state_file).unwrap();

    let error = control::send(folder.path(), ControlRequest::Pause).await.unwrap_err().to_string();
    let expected = format!("{}: cannot be written: ", state_file.display());
    assert!(error.starts_with(&expected) && error.ends_with("lost when the agent restarts"), "{error}");
    // The command is in effect nevertheless.
    balancer.await_seen(PAUSED).await;

    let unpause = Command::new(11, Action::Unpause);
    balancer.command(unpause).await;
    balancer.await_seen(RUNNING).await;
    for _ in 0..5 {
        assert_eq!(balancer.next().await.last_command, None, "a command that may be lost is not confirmed");
    }
    std::fs::remove_dir(&state_file).unwrap();
    balancer.command(unpause).await;
    balancer.await_seen(Seen { last_command: Some(11), ..RUNNING }).await;
}
