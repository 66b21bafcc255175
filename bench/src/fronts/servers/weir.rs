//! The balancer with reporting edges, and its configurations.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::Server;
use crate::balancer::{self, Running};
use crate::fronts::fleet::{EdgeDescription, Fleet};
use crate::machine::Cores;
use crate::metrics::metric;
use crate::program::empty_folder;

/// The name in tables.
pub(in crate::fronts) const NAME: &str = "weir";

/// The configuration of a balancer that redirects.
const REDIRECTING: &str = r#"
[[listener]]
address = "127.0.0.1:0"
"#;

/// Returns the configuration of a balancer that relays any protocol to this port of the edge.
fn relaying_to(port: u16) -> String {
    format!("[[listener]]\naddress = \"127.0.0.1:0\"\nrelay_port = {port}\n")
}

/// The part that both have in common. All edges join at once, from one address.
const COMMON: &str = r#"
[reports]
address = "127.0.0.1:0"
new_sender_rate_per_source = 1000000

[limits]
workers = 1
"#;

/// How often it is checked whether all edges have joined, and the time between two checks.
const CHECKS: usize = 1000;
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// A balancer with its edges.
#[derive(Debug)]
pub(in crate::fronts) struct Balancer {
    /// Dropped first, while the edges still report.
    pub(in crate::fronts) server: Server,
    _fleet: Fleet,
}

/// Starts a balancer with this number of edges.
///
/// # Errors
/// When it does not start, or not all edges join.
pub(in crate::fronts) fn redirecting(cores: &Cores, edges: u32) -> io::Result<Balancer> {
    start(cores, REDIRECTING, (0..edges).map(EdgeDescription::numbered).collect())
}

/// Starts a balancer that relays to `edge`, its only one.
///
/// # Errors
/// As [`redirecting`], and when this build cannot relay, with its error about the configuration.
pub(in crate::fronts) fn relaying(cores: &Cores, edge: SocketAddr) -> io::Result<Balancer> {
    let description = EdgeDescription { host: edge.ip().to_string(), endpoints: Vec::new() };
    start(cores, &relaying_to(edge.port()), vec![description])
}

fn start(cores: &Cores, configuration: &str, edges: Vec<EdgeDescription>) -> io::Result<Balancer> {
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
    for _ in 0..CHECKS {
        if metric(admin, "weir_edges{state=\"running\"}") >= expected as f64 {
            return Ok(());
        }
        thread::park_timeout(CHECK_INTERVAL);
    }
    Err(io::Error::other(format!(
        "the {expected} edges of weir did not join within {:?}",
        CHECK_INTERVAL * CHECKS as u32
    )))
}
