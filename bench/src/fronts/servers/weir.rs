//! The balancer, with edges that report to it all the time.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::Server;
use crate::balancer::{self, Running};
use crate::fronts::fleet::{Described, Fleet};
use crate::machine::Cores;
use crate::metrics::metric;
use crate::program::empty_folder;

/// The name that tables give it.
pub(in crate::fronts) const NAME: &str = "weir";

/// Names edges to clients.
const REDIRECTING: &str = r#"
[[listener]]
address = "127.0.0.1:0"
"#;

/// Carries what clients and the edge say to each other, whatever it is, to this port of the edge.
fn relaying_to(port: u16) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:0\"\nrelay_port = {port}\n")
}

/// The same for both. All edges join at once, from one address.
const COMMON: &str = r#"
[reports]
address = "127.0.0.1:0"
new_sender_rate_per_source = 1000000

[limits]
workers = 1
"#;

/// How often, and how far apart, it is looked whether all edges are known.
const LOOKS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(20);

/// A balancer that knows its edges.
#[derive(Debug)]
pub(in crate::fronts) struct Balancer {
    /// Dropped first: edges that report to nobody do no harm.
    pub(in crate::fronts) server: Server,
    _fleet: Fleet,
}

/// One with so many edges.
///
/// # Errors
/// When it does not start, or does not come to know them.
pub(in crate::fronts) fn redirecting(cores: &Cores, edges: u32) -> io::Result<Balancer> {
    start(cores, REDIRECTING, (0..edges).map(Described::numbered).collect())
}

/// One that relays to `edge`, and knows no other.
///
/// # Errors
/// As [`redirecting`], and when this build cannot relay: what it says about its configuration.
pub(in crate::fronts) fn relaying(cores: &Cores, edge: SocketAddr) -> io::Result<Balancer> {
    let described = Described { host: edge.ip().to_string(), endpoints: Vec::new() };
    start(cores, &relaying_to(edge.port()), vec![described])
}

fn start(cores: &Cores, configuration: &str, edges: Vec<Described>) -> io::Result<Balancer> {
    let folder = empty_folder("fronts/weir")?;
    let Running { program, clients: address, reports, admin } =
        balancer::start(Some(cores), &folder, &format!("{configuration}{COMMON}"))?;
    let expected = edges.len();
    let fleet = Fleet::report_to(reports, edges)?;
    await_edges(admin, expected)?;
    Ok(Balancer { server: Server { name: NAME, address, program }, _fleet: fleet })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn await_edges(admin: SocketAddr, expected: usize) -> io::Result<()> {
    for _ in 0..LOOKS {
        if metric(admin, "weir_edges{state=\"running\"}") >= expected as f64 {
            return Ok(());
        }
        thread::park_timeout(PAUSE);
    }
    Err(io::Error::other(format!("weir does not know its {expected} edges within {:?}", PAUSE * LOOKS as u32)))
}
