//! What a new balancer tells its operator to do next.

use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use weir_protocol::Secret;

/// Says that a key was made, and what to run on an edge.
///
/// The key itself is shown only to a person at a terminal: where the output is kept, a log or a journal, it must not be.
pub(super) fn first_start(key_file: &Path, secret: &Secret, reports: SocketAddr) -> String {
    let target = format_target(reports);
    let file = key_file.display();
    if io::stdout().is_terminal() {
        format!(
            "made a new key: {file}\non each edge run:\n  WEIR_KEY='{}' weir-agent --target {target} \
             --redirect-address ADDRESS_OF_THE_EDGE",
            secret.to_base64()
        )
    } else {
        format!(
            "made a new key: {file}\ncopy it to each edge, and run there:\n  weir-agent --target {target} \
             --key-file {file} --redirect-address ADDRESS_OF_THE_EDGE"
        )
    }
}

/// Where edges can reach this balancer, as far as can be told from here.
fn format_target(reports: SocketAddr) -> String {
    if !reports.ip().is_unspecified() {
        return reports.to_string();
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // A machine whose name is an address would need brackets for IPv6.
    match name.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, reports.port()).to_string(),
        Err(_) => format!("{name}:{}", reports.port()),
    }
}
