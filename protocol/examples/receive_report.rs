//! A minimal balancer: prints the reports that it receives, acknowledges them, and can send a command.
//!
//! ```sh
//! cargo run -p weir-protocol --example receive_report -- [ADDRESS [KEY [COMMAND]]]
//! ```
//!
//! ADDRESS is the UDP address to listen on, 127.0.0.1:1934 by default. KEY is the cluster's secret or a passphrase;
//! without one, a new secret is made and printed. COMMAND is `pause`, `unpause`, `drain`, or `drain:SECONDS`, and is
//! sent to every edge. Run the example `send_report`, or `weir-agent`, with the address and the key that are printed.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::net::UdpSocket;
use std::time::{Duration, Instant, UNIX_EPOCH};

use weir_protocol::key::ParsedKey;
use weir_protocol::receiver::{Accepted, Limits};
use weir_protocol::{Action, Arrival, Command, Name, Receiver, Secret, datagram};

const NAME: Name<'static> = Name::from_static("example");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:1934".to_owned());
    let secret = match arguments.next().map(|key| key.parse()).transpose()? {
        Some(ParsedKey::Secret(secret) | ParsedKey::Passphrase(secret)) => secret,
        Some(ParsedKey::Edge(..)) => return Err("a balancer needs the cluster's secret, not the key of an edge".into()),
        None => Secret::from_random(random()?),
    };
    let action = arguments.next().map(|command| parse_action(&command)).transpose()?;
    // The id is random, so that no agent takes the command for one that it has executed already; and not 0.
    let command = action.map(|action| Ok::<_, String>(Command::new(u64::from_ne_bytes(random()?) | 1, action)));

    let socket = UdpSocket::bind(address)?;
    println!("listening on {}, key {}", socket.local_addr()?, secret.to_base64());
    let receiver = Receiver::new([secret].into_iter().collect(), Limits::default(), random()?);
    serve(&socket, receiver, command.transpose()?)
}

fn parse_action(text: &str) -> Result<Action, Box<dyn Error>> {
    Ok(match text.split_once(':').unwrap_or((text, "")) {
        ("pause", "") => Action::Pause,
        ("unpause", "") => Action::Unpause,
        ("drain", "") => Action::Drain { deadline: None },
        ("drain", seconds) => Action::Drain { deadline: Some(Duration::from_secs(seconds.parse()?)) },
        _ => return Err(format!("`{text}` is no command: expected pause, unpause, drain or drain:SECONDS").into()),
    })
}

fn serve(socket: &UdpSocket, mut receiver: Receiver, command: Option<Command>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    // One byte more than the longest report, so that a longer datagram is rejected rather than truncated.
    let mut buffer = [0; datagram::MAX_LENGTH + 1];
    let mut output = [0; datagram::MAX_LENGTH];
    loop {
        // An error belongs to an earlier ack: its agent has stopped.
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
        let arrival = Arrival { source, monotonic: start.elapsed(), unix: unix_milliseconds()? };
        let (edge, confirmed) = match receiver.open(&mut buffer[..length], &arrival) {
            Ok(accepted) => {
                print(&accepted, &arrival);
                (accepted.edge, accepted.report.last_command)
            }
            Err(rejection) => {
                println!("rejected datagram from {source}: {}", rejection.reason());
                continue;
            }
        };
        let pending = command.filter(|command| confirmed != Some(command.id));
        if let Some(ack) = receiver.acknowledge(edge, Some(NAME), pending, length, &mut output) {
            // An ack may be lost. The next report gets another.
            let _ = socket.send_to(ack, source);
        }
    }
}

fn print(accepted: &Accepted<'_>, arrival: &Arrival) {
    let report = &accepted.report;
    let address = report.redirect.map_or_else(|| arrival.source.ip().to_string(), |host| host.as_str().to_owned());
    let connections =
        report.load.connections.map_or_else(|| "unknown".to_owned(), |connections| connections.to_string());
    let status = report.status.name();
    println!("report from edge {}: address {address}, {status}, connections {connections}", accepted.edge);
    if let Some(command) = report.last_command {
        println!("edge {} confirmed command {command}", accepted.edge);
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
