//! Fronts: what a redirect and a relayed byte cost, beside what others take for the same in the same run.
//!
//! | module        | what it holds                                                       |
//! |---------------|---------------------------------------------------------------------|
//! | [`redirects`] | processor time per redirect                                         |
//! | [`relay`]     | processor time per byte, added latency, and memory of a relay       |
//! | [`syscalls`]  | what the balancer asks of the kernel for a redirect                 |
//! | [`exchange`]  | clients: what they say and what they must hear                      |
//! | [`servers`]   | the balancer, and those that it is compared with                    |
//! | [`fleet`]     | edges that report to it meanwhile                                   |
//! | [`compare`]   | Weir beside others                                                  |
//! | [`rounds`]    | the same figure, measured again and again                           |
//!
//! Everything stays on the loopback. A server has a core of its own, and all that it is served with has another.
//! Contenders are measured in turn, round by round, so that what disturbs the machine disturbs all alike.

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

/// Rounds of each figure.
const ROUNDS: usize = 7;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this: http-close, http-keep-alive, rtsp, rtmp or relay; several times for several.
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// How often each figure is measured.
    #[arg(long, default_value_t = ROUNDS)]
    rounds: usize,
    /// Instead, what the balancer asks of the kernel for 1,000 redirects of each kind (needs strace).
    #[arg(long)]
    syscalls: bool,
}

/// Measures it.
///
/// # Errors
/// When a program is missing, and why one does not start.
pub(crate) fn run(options: &Options) -> io::Result<Vec<Outcome>> {
    let cores = Cores::take()?;
    if !cores.apart {
        say("note: servers and clients share the only core, so that times are too high");
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
            "processor time of a server per request, {EDGES} edges reporting, {} rounds:",
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
    /// What the results are to be called.
    pub(crate) fn results(&self) -> &'static str {
        if self.syscalls { "fronts-syscalls" } else { "fronts" }
    }

    fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
