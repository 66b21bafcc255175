//! `weir-balancer check-server`: asks one server once, as the checks of kernel mode do.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use clap::Args;
use weir_checks::check::{Codes, Kind, Written};
use weir_checks::{Check, ProbeOptions, probe};
use weir_kernel::through::by_hand;
use weir_program::start::{Failure, Outcome, say};
use weir_program::units::parse_duration;

/// The options are the keys of `[kernel.service.check]`.
#[derive(Args, Debug)]
pub(super) struct CheckServer {
    /// The server: its address and port. For kind exec it is what {address} and {port} stand for.
    #[arg(value_name = "ADDRESS:PORT")]
    target: SocketAddr,
    /// What it is asked: tcp, rtsp, http, rtmp, udp or exec.
    #[arg(long, default_value = "tcp", value_parser = kind)]
    kind: Kind,
    /// Ask over TLS.
    #[arg(long)]
    tls: bool,
    /// Whether its certificate must be valid: true or false. Default: true with a host, false without.
    #[arg(long, value_name = "BOOLEAN")]
    verify: Option<bool>,
    /// What is asked for, from the slash on, over HTTP or RTSP.
    #[arg(long)]
    path: Option<String>,
    /// The name that it is asked by. Default: its address.
    #[arg(long)]
    host: Option<String>,
    /// Codes that are good, such as 200-399; may be repeated.
    #[arg(long, value_name = "CODES")]
    codes: Vec<String>,
    /// Text to send, over TCP or UDP.
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Text that its answer must contain.
    #[arg(long, value_name = "TEXT")]
    receive: Option<String>,
    /// How long it may take.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    timeout: Duration,
    /// Ask through this virtual address, in the place of the server's own; a balancer that checks the server so has to run
    /// here.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "mark")]
    through: Option<IpAddr>,
    /// The firewall mark of what is sent, such as 0x57000001.
    #[arg(long, value_parser = mark)]
    mark: Option<u32>,
    /// The address that it is sent from.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// For kind exec, after `--`: the program, by its absolute path, and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Asks, and says in one line what came of it: exit code 0 when the server works, 1 when it does not, and 69 when it cannot
/// be asked.
pub(super) async fn run(arguments: CheckServer) -> Outcome {
    let (server, source) = (arguments.target, arguments.source);
    let (target, options) = match arguments.through {
        Some(address) => {
            let options = by_hand::options(server.ip(), address, source);
            let unreachable = |error| Failure::unavailable(format_args!("{server} through {address}: {error}"));
            (SocketAddr::new(address, server.port()), options.map_err(unreachable)?)
        }
        None => (server, ProbeOptions { mark: arguments.mark, source, hops: None }),
    };
    let check = arguments.check().map_err(Failure::configuration)?;
    let asked = if target == server { server.to_string() } else { format!("{server} through {}", target.ip()) };
    let kind = check.question.kind();
    let began = Instant::now();
    match probe(target, &check, options).await {
        Ok(()) => {
            let took = began.elapsed().as_secs_f64() * 1000.0;
            say(format_args!("{asked}: {kind}: works, asked in {took:.1} ms"));
            Ok(())
        }
        Err(failure) if failure.is_ours() => Err(Failure::unavailable(format_args!("{asked}: {kind}: {failure}"))),
        Err(failure) => {
            Err(Failure::negative(format_args!("{asked}: {kind}: does not work ({}): {failure}", failure.reason())))
        }
    }
}

impl CheckServer {
    fn check(self) -> Result<Check, String> {
        let codes = if self.codes.is_empty() { None } else { Some(Codes::parse(&self.codes)?) };
        let written = Written {
            kind: self.kind,
            port: NonZeroU16::new(self.target.port()),
            tls: self.tls,
            verify: self.verify,
            path: self.path,
            host: self.host,
            codes,
            send: self.send,
            receive: self.receive,
            command: self.command,
            timeout: self.timeout,
            through_address: self.through.is_some(),
            ..Written::default()
        };
        Check::try_from(written).map_err(|error| error.to_string())
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    const KINDS: [Kind; 6] = [Kind::Tcp, Kind::Rtsp, Kind::Http, Kind::Rtmp, Kind::Udp, Kind::Exec];
    let known = KINDS.into_iter().find(|kind| kind.to_string() == text);
    known.ok_or_else(|| format!("expected one of {}", KINDS.map(|kind| kind.to_string()).join(", ")))
}

/// As marks are written: in hexadecimal after `0x`, or in decimal.
fn mark(text: &str) -> Result<u32, String> {
    let read = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    read.map_err(|_| "expected a number, such as 0x57000001".to_owned())
}
