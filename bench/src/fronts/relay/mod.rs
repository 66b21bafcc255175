//! Relays: the cost of forwarding the data of an edge to its clients.
//!
//! | module         | contents                                              |
//! |----------------|-------------------------------------------------------|
//! | [`throughput`] | processor time per GiB                                |
//! | [`latency`]    | latency that a relay adds to a round trip             |
//! | [`memory`]     | memory per idle session                               |
//! | [`edge`]       | the edge, which sends the data that a client requests |
//! | [`client`]     | the clients                                           |

mod client;
mod edge;
mod latency;
mod memory;
mod throughput;

use std::io;
use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};
use weir_program::say;

use self::edge::Edge;
use crate::fronts::servers::weir::Balancer;
use crate::fronts::servers::{Server, haproxy, nginx, weir};
use crate::machine::Cores;
use crate::outcome::Outcome;

/// The maximum number of rounds of benchmarks that restart the relays for each.
const MEMORY_ROUNDS: usize = 3;

/// Measures Weir's relay and those that it is compared with.
///
/// # Errors
/// When a relay does not start, or a session fails.
pub(super) fn measure(cores: &Cores, rounds: usize) -> io::Result<Vec<Outcome>> {
    // One thread for edge and clients, which share a core.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let edge = runtime.block_on(Edge::listen())?;
    let relays = Relays::start(cores, edge.address)?;
    let mut outcomes = throughput::measure(&runtime, &relays, rounds)?;
    outcomes.extend(latency::measure(&runtime, &relays, edge.address, rounds)?);
    let has_weir = relays.weir.is_some();
    drop(relays);
    outcomes.extend(memory::measure(&runtime, cores, edge.address, has_weir, rounds.min(MEMORY_ROUNDS))?);
    Ok(outcomes)
}

/// The relays that are compared. All forward to the same edge.
struct Relays {
    weir: Option<Balancer>,
    haproxy: Server,
    nginx: Server,
}

impl Relays {
    fn start(cores: &Cores, edge: SocketAddr) -> io::Result<Self> {
        let haproxy = haproxy::relaying(cores, edge)?;
        Ok(Self { weir: weir_if_supported(cores, edge)?, haproxy, nginx: nginx::relaying(cores, edge)? })
    }

    /// Returns all relays, Weir's first if there is one.
    fn all(&self) -> Vec<&Server> {
        self.weir.iter().map(|balancer| &balancer.server).chain([&self.haproxy, &self.nginx]).collect()
    }
}

/// Starts Weir's relay. Prints a note and returns `None` when this build rejects the configuration.
fn weir_if_supported(cores: &Cores, edge: SocketAddr) -> io::Result<Option<Balancer>> {
    match weir::relaying(cores, edge) {
        Ok(balancer) => Ok(Some(balancer)),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            say(format_args!("\nweir: this build has no relay: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Runs `work`, and adds the name of the relay to its error.
fn run<T>(runtime: &Runtime, name: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    runtime.block_on(work).map_err(|error| io::Error::new(error.kind(), format!("through {name}: {error}")))
}
