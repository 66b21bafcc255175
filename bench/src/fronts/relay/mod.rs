//! A relay: what it takes to carry what an edge sends to its clients.
//!
//! | module         | what it holds                                              |
//! |----------------|------------------------------------------------------------|
//! | [`throughput`] | processor time per GiB                                     |
//! | [`latency`]    | what a relay adds to a round trip                          |
//! | [`memory`]     | what a session takes on which nothing happens              |
//! | [`edge`]       | what is relayed to: sends what its clients ask for         |
//! | [`client`]     | its clients                                                |

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

/// Rounds of what needs fresh relays.
const MEMORY_ROUNDS: usize = 3;

/// Measures Weir's relay and those that it is compared with.
///
/// # Errors
/// When one of them does not start, or a session fails.
pub(super) fn measure(cores: &Cores, rounds: usize) -> io::Result<Vec<Outcome>> {
    // One thread for edge and clients: they have one core.
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

/// The relays that are compared, all to the same edge.
struct Relays {
    weir: Option<Balancer>,
    haproxy: Server,
    nginx: Server,
}

impl Relays {
    fn start(cores: &Cores, edge: SocketAddr) -> io::Result<Self> {
        let haproxy = haproxy::relaying(cores, edge)?;
        Ok(Self { weir: weir_if_it_can(cores, edge)?, haproxy, nginx: nginx::relaying(cores, edge)? })
    }

    /// Weir first, if it is there.
    fn all(&self) -> Vec<&Server> {
        self.weir.iter().map(|balancer| &balancer.server).chain([&self.haproxy, &self.nginx]).collect()
    }
}

/// Weir's relay; nothing, and a line that says so, when this build refuses to be configured as one.
fn weir_if_it_can(cores: &Cores, edge: SocketAddr) -> io::Result<Option<Balancer>> {
    match weir::relaying(cores, edge) {
        Ok(balancer) => Ok(Some(balancer)),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            say(format_args!("\nweir: no relay in this build: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a session that fails makes of a figure: nothing.
fn run<T>(runtime: &Runtime, name: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    runtime.block_on(work).map_err(|error| io::Error::new(error.kind(), format!("through {name}: {error}")))
}
