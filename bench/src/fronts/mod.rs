//! Fronts: the cost of a redirect and of a relayed byte, compared with other servers in the same run.
//!
//! | module        | contents                                                      |
//! |---------------|---------------------------------------------------------------|
//! | [`redirects`] | processor time per redirect                                   |
//! | [`relay`]     | processor time per byte, added latency, and memory of a relay |
//! | [`syscalls`]  | system calls of the balancer per redirect                     |
//! | [`exchange`]  | clients: their requests, and the responses that they require  |
//! | [`servers`]   | the balancer, and the servers that it is compared with        |
//! | [`fleet`]     | edges that report to the balancer during a benchmark          |
//! | [`compare`]   | comparison of Weir with the other servers                     |
//! | [`rounds`]    | a figure that is measured in several rounds                   |
//!
//! Everything stays on the loopback interface. The measured server has one core, and its clients and edges have
//! another. Servers are measured in turn, round by round, so that a disturbance of the machine affects all of them.

mod compare;
mod exchange;
mod fleet;
mod redirects;
mod relay;
mod rounds;
mod servers;
mod syscalls;

use std::io;

use weir_program::say;

use self::exchange::{EDGES, Exchange};
use self::servers::weir;
use crate::machine::Cores;
use crate::outcome::Outcome;

/// The default number of rounds.
const ROUNDS: usize = 7;

/// Options of the benchmark.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run only this benchmark: http-close, http-keep-alive, rtsp, rtmp or relay. May be repeated.
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// Number of rounds in which each figure is measured.
    #[arg(long, default_value_t = ROUNDS)]
    rounds: usize,
    /// Count the system calls of the balancer for 1,000 redirects of each kind instead (needs strace).
    #[arg(long)]
    syscalls: bool,
}

/// Runs the benchmark.
///
/// # Errors
/// When a program is missing or does not start.
pub(crate) fn run(options: &Options) -> io::Result<Vec<Outcome>> {
    let cores = Cores::take()?;
    if !cores.are_separate {
        say("note: servers and clients share the only core; times are too high");
    }
    crate::machine::raise_open_files();
    let exchanges: Vec<Exchange> = Exchange::ALL.into_iter().filter(|exchange| options.has(exchange.name())).collect();
    let mut outcomes = Vec::new();
    if !exchanges.is_empty() {
        let balancer = weir::redirecting(&cores, EDGES)?;
        if options.syscalls {
            return syscalls::count(&balancer.server, &exchanges);
        }
        say(format_args!(
            "processor time of a server per request, {EDGES} reporting edges, {} rounds:",
            options.rounds
        ));
        for exchange in exchanges {
            outcomes.extend(redirects::measure(&balancer.server, exchange, &cores, options.rounds)?);
        }
    }
    if options.has("relay") {
        outcomes.extend(relay::measure(&cores, options.rounds)?);
    }
    Ok(outcomes)
}

impl Options {
    /// Returns the name of the file of results.
    pub(crate) fn results(&self) -> &'static str {
        if self.syscalls { "fronts-syscalls" } else { "fronts" }
    }

    fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
