//! `weir-balancer check-server`: checks a server once, as kernel mode does.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use weir_checks::check::{CheckSection, Codes, ProbeKind};
use weir_checks::{Check, ProbeOptions, probe};
use weir_kernel::vip_checks::manual;
use weir_program::start::{Failure, Outcome, say};
use weir_program::units::parse_duration;

/// The options are the keys of `[kernel.service.check]`.
#[derive(Args, Debug)]
pub(super) struct CheckServer {
    /// Address and port of the server. For kind exec, the values of {address} and {port}.
    #[arg(value_name = "ADDRESS:PORT")]
    target: SocketAddr,
    /// Kind of probe.
    #[arg(long, default_value = "tcp", value_parser = kinds())]
    kind: ProbeKind,
    /// Use TLS.
    #[arg(long)]
    tls: bool,
    /// Whether the server's certificate must be valid: true or false. Default: true with --host, false without.
    #[arg(long, value_name = "BOOLEAN")]
    verify: Option<bool>,
    /// Path of the request, for HTTP and RTSP.
    #[arg(long)]
    path: Option<String>,
    /// Host name of the request, and server name for TLS. Default: the server's address.
    #[arg(long)]
    host: Option<String>,
    /// Accepted status codes, such as 200-399. May be repeated.
    #[arg(long, value_name = "CODES")]
    codes: Vec<String>,
    /// Text to send, for TCP and UDP.
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Text that the response must contain.
    #[arg(long, value_name = "TEXT")]
    receive: Option<String>,
    /// Time limit.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    timeout: Duration,
    /// Probe this virtual address instead of the server's own. A balancer that checks the server with `through_address`
    /// must run on this machine.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "mark")]
    through: Option<IpAddr>,
    /// Firewall mark of the packets, such as 0x57000001.
    #[arg(long, value_parser = mark)]
    mark: Option<u32>,
    /// Source address of the packets.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// For kind exec, after `--`: absolute path of the program, and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Checks the server and prints the result in one line. Exit code: 0 if it is up, 1 if it is down, 69 if the check
/// could not run.
pub(super) async fn run(arguments: CheckServer) -> Outcome {
    let (server, source) = (arguments.target, arguments.source);
    let (target, options) = match arguments.through {
        Some(address) => {
            let options = manual::options(server.ip(), address, source);
            let unavailable = |error| Failure::unavailable(format_args!("{server} through {address}: {error}"));
            (SocketAddr::new(address, server.port()), options.map_err(unavailable)?)
        }
        None => (server, ProbeOptions { mark: arguments.mark, source, hops: None }),
    };
    let kind = arguments.kind;
    let check = arguments.check().map_err(Failure::configuration)?;
    let probed = if target == server { server.to_string() } else { format!("{server} through {}", target.ip()) };
    let started = Instant::now();
    match probe(target, &check, options).await {
        Ok(()) => {
            let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
            say(format_args!("{probed}: {kind}: up ({milliseconds:.1} ms)"));
            Ok(())
        }
        Err(failure) if failure.is_local() => {
            Err(Failure::unavailable(format_args!("{probed}: {kind}: health check could not run: {failure}")))
        }
        Err(failure) => {
            Err(Failure::negative(format_args!("{probed}: {kind}: down ({}): {failure}", failure.reason())))
        }
    }
}

impl CheckServer {
    fn check(self) -> Result<Check, String> {
        let codes = if self.codes.is_empty() { None } else { Some(Codes::parse(&self.codes)?) };
        let section = CheckSection {
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
            ..CheckSection::default()
        };
        Check::try_from(section).map_err(|error| error.to_string())
    }
}

/// Every kind but `none`, which probes nothing.
fn kinds() -> impl TypedValueParser<Value = ProbeKind> {
    let kinds = || ProbeKind::ALL.into_iter().filter(|kind| *kind != ProbeKind::None);
    let names = PossibleValuesParser::new(kinds().map(ProbeKind::name));
    names.try_map(move |name| kinds().find(|kind| kind.name() == name).ok_or("unknown kind"))
}

/// A mark, in hexadecimal after `0x`, or in decimal.
fn mark(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    number.map_err(|_| "expected a number, such as 0x57000001".to_owned())
}
