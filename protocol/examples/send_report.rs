//! A minimal agent: reports the state of one edge to one balancer, and executes its commands.
//!
//! ```sh
//! cargo run -p weir-protocol --example send_report -- ADDRESS KEY [GUID]
//! ```
//!
//! ADDRESS is the UDP address for reports of a balancer, such as 127.0.0.1:1934, or of the example `receive_report`.
//! KEY is the cluster's secret, a passphrase, or the key of the edge. Without a GUID the edge has a new one at each
//! start.
//!
//! A real agent keeps its GUID, the state that a command leaves, and the ids of the last commands over a restart. It
//! also measures the load, resolves names, and reports to several balancers.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, UNIX_EPOCH};

use weir_protocol::key::ParsedKey;
use weir_protocol::report::{Endpoint, Reasons, Status};
use weir_protocol::{Action, Command, EdgeId, EdgeKey, Name, Report, Sender, datagram};

/// The time between two reports.
const INTERVAL: Duration = Duration::from_millis(2500);
/// The time to the second report, with which a balancer accepts a new edge.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

const USAGE: &str = "usage: send_report ADDRESS KEY [GUID]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let balancer: SocketAddr = arguments.next().ok_or(USAGE)?.parse()?;
    let key = arguments.next().ok_or(USAGE)?.parse()?;
    let edge = match arguments.next() {
        Some(guid) => guid.parse()?,
        None => EdgeId::from_random(random()?),
    };

    let any_port = if balancer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any_port)?;
    socket.connect(balancer)?;
    println!("edge {edge} reports to {balancer}");
    Agent {
        sender: Sender::new(edge_key(key, edge)?, edge, random()?),
        boot_time: unix_milliseconds()?,
        status: Status::Running,
        drain_until: None,
        last_command: None,
    }
    .run(&socket)
}

/// The key of the edge, derived from the cluster's secret if need be.
fn edge_key(key: ParsedKey, edge: EdgeId) -> Result<EdgeKey, String> {
    match key {
        ParsedKey::Secret(secret) | ParsedKey::Passphrase(secret) => Ok(secret.edge_key(edge)),
        ParsedKey::Edge(owner, key) if owner == edge => Ok(key),
        ParsedKey::Edge(owner, _) => Err(format!("this is the key of edge {owner}: add this GUID")),
    }
}

struct Agent {
    sender: Sender,
    /// Milliseconds since the Unix epoch.
    boot_time: u64,
    status: Status,
    drain_until: Option<Instant>,
    /// The id of the last command executed.
    last_command: Option<u64>,
}

impl Agent {
    fn run(mut self, socket: &UdpSocket) -> Result<(), Box<dyn Error>> {
        loop {
            let report = self.report()?;
            let datagram = self.sender.seal(&report)?;
            println!("sent report: {}, {} bytes", report.status.name(), datagram.len());
            // An error belongs to the datagram before: the balancer was not running. The next report tries again.
            let _ = socket.send(datagram);
            let interval = if self.sender.last_counter() == 1 { FIRST_INTERVAL } else { INTERVAL };
            self.receive_acks(socket, Instant::now() + interval)?;
        }
    }

    fn report(&mut self) -> Result<Report<'static>, Box<dyn Error>> {
        let now = Instant::now();
        if self.drain_until.take_if(|until| *until <= now).is_some() {
            self.status = Status::Paused;
        }
        let mut report = Report::new(self.boot_time, unix_milliseconds()?, INTERVAL);
        report.status = self.status;
        report.reasons = Reasons::NONE.with_if(self.status != Status::Running, Reasons::OPERATOR);
        report.drain_deadline = self.drain_until.map(|until| until - now);
        report.last_command = self.last_command;
        report.endpoints.push(Endpoint::new("rtmp", 1935));
        report.load.connections = Some(12);
        report.capacity.connections = Some(5000);
        report.agent_version = Some(Name::from_static("example"));
        Ok(report)
    }

    /// Receives acks until the next report is due: at `due`, or at once after a command.
    fn receive_acks(&mut self, socket: &UdpSocket, due: Instant) -> Result<(), Box<dyn Error>> {
        let mut buffer = [0; datagram::MAX_LENGTH + 1];
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            socket.set_read_timeout(Some(left))?;
            // The report is due, or the last one was not delivered.
            let Ok(length) = socket.recv(&mut buffer) else { continue };
            let ack = match self.sender.open_ack(&mut buffer[..length]) {
                Ok(ack) => ack,
                Err(rejection) => {
                    println!("ack rejected: {rejection}");
                    continue;
                }
            };
            let balancer = ack.balancer.map_or("a balancer without a name", Name::as_str);
            println!("{balancer} acknowledged report {}", ack.counter);
            // A command is repeated with each ack until a report confirms it.
            if let Some(command) = ack.command.filter(|command| self.last_command != Some(command.id)) {
                self.execute(command);
                return Ok(());
            }
        }
    }

    fn execute(&mut self, command: Command) {
        (self.status, self.drain_until) = match command.action {
            Action::Pause => (Status::Paused, None),
            Action::Unpause => (Status::Running, None),
            Action::Drain { deadline } => (Status::Draining, deadline.map(|deadline| Instant::now() + deadline)),
        };
        self.last_command = Some(command.id);
        println!("executed command {}: {}", command.id, self.status.name());
    }
}

fn unix_milliseconds() -> Result<u64, Box<dyn Error>> {
    Ok(UNIX_EPOCH.elapsed()?.as_millis().try_into()?)
}

/// Bytes of the system's cryptographic random source.
fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
