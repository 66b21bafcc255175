//! What an agent sends, received as a balancer receives it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use weir_edge_agent::probe::{Outcome, Probe, Reading};
use weir_edge_agent::{Config, Target};
use weir_protocol::receiver::{Limits, Receiver};
use weir_protocol::report::{Capacity, Reasons, Status};
use weir_protocol::{EdgeId, Secret};

const EDGE: EdgeId = EdgeId([7; 16]);
/// Long enough for any machine; nothing waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A probe that knows seven connections, and can be made to fail.
#[derive(Debug, Default)]
struct Switched(Arc<AtomicBool>);

impl Probe for Switched {
    fn name(&self) -> String {
        "switched".to_owned()
    }

    fn read(&mut self) -> Outcome<'_> {
        let fails = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            if fails { Err("switched off".into()) } else { Ok(Reading { connections: Some(7), ..Reading::default() }) }
        })
    }
}

/// The end that a balancer has.
struct Balancer {
    socket: UdpSocket,
    receiver: Receiver,
    secret: Secret,
}

/// What the tests look at in a report.
#[derive(Debug, PartialEq)]
struct Seen {
    status: Status,
    reasons: Reasons,
    connections: Option<u64>,
}

impl Balancer {
    async fn with_secret(byte: u8) -> Self {
        let secret = Secret::from_random([byte; 32]);
        let receiver = Receiver::new([secret.clone()].into_iter().collect(), Limits::default());
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), receiver, secret }
    }

    fn target(&self) -> Target {
        let address = self.socket.local_addr().unwrap().to_string().parse().unwrap();
        Target { address, key: self.secret.edge_key(EDGE) }
    }

    async fn next(&mut self) -> Seen {
        let mut buffer = [0; 2000];
        let (length, _) = timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await.expect("a report").unwrap();
        let accepted = self.receiver.open(&mut buffer[..length], weir_program::clock::unix_milliseconds()).unwrap();
        assert_eq!(accepted.edge, EDGE);
        let report = accepted.report;
        Seen { status: report.status, reasons: report.reasons, connections: report.load.connections }
    }
}

fn config(targets: Vec<Target>, probe: Switched, interval: Duration) -> Config {
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
    }
}

fn start(config: Config) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let agent = tokio::spawn(weir_edge_agent::run(config, async {
        let _ = stopped.await;
    }));
    (stop, agent)
}

const RUNNING: Seen = Seen { status: Status::Running, reasons: Reasons::NONE, connections: Some(7) };

#[tokio::test]
async fn every_target_gets_the_first_report_at_once_each_under_its_own_key() {
    let (mut first, mut second) = (Balancer::with_secret(1).await, Balancer::with_secret(2).await);
    // An hour between reports: what comes is what is sent at once.
    let hour = Duration::from_secs(3600);
    let (_stop, _agent) = start(config(vec![first.target(), second.target()], Switched::default(), hour));
    assert_eq!(first.next().await, RUNNING);
    assert_eq!(second.next().await, RUNNING);
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_delays_no_other() {
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
async fn while_its_probe_fails_an_edge_takes_no_clients_and_its_load_is_unknown() {
    let mut balancer = Balancer::with_secret(1).await;
    let fails = Arc::new(AtomicBool::new(true));
    let probe = Switched(Arc::clone(&fails));
    let (_stop, _agent) = start(config(vec![balancer.target()], probe, Duration::from_millis(100)));
    let unhealthy = Seen { status: Status::Paused, reasons: Reasons::HEALTH, connections: None };
    assert_eq!(balancer.next().await, unhealthy);
    fails.store(false, Ordering::Relaxed);
    while balancer.next().await != RUNNING {}
    fails.store(true, Ordering::Relaxed);
    while balancer.next().await != unhealthy {}
}

#[tokio::test]
async fn the_last_report_says_that_the_edge_stops() {
    let mut balancer = Balancer::with_secret(1).await;
    let (stop, agent) = start(config(vec![balancer.target()], Switched::default(), Duration::from_secs(3600)));
    assert_eq!(balancer.next().await, RUNNING);
    stop.send(()).unwrap();
    let stopping = Seen { status: Status::Stopping, reasons: Reasons::SHUTDOWN, connections: Some(7) };
    // One lost datagram must not cost the clients of a whole timeout.
    for _ in 0..3 {
        assert_eq!(balancer.next().await, stopping);
    }
    timeout(PATIENCE, agent).await.expect("the agent ends").unwrap();
}
