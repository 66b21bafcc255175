//! The instructions that a balancer prints at its first start.

use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use weir_protocol::Secret;

/// Returns a text that says that a key was created, and what to run on each edge.
///
/// The key itself is shown only on a terminal. It must not end up in a log or journal.
pub(super) fn first_start(key_file: &Path, secret: &Secret, reports: SocketAddr) -> String {
    let target = format_target(reports);
    let file = key_file.display();
    if io::stdout().is_terminal() {
        format!(
            "created a new key: {file}\non each edge run:\n  WEIR_KEY='{}' weir-agent --target {target} \
             --redirect-address ADDRESS_OF_THE_EDGE",
            secret.to_base64()
        )
    } else {
        format!(
            "created a new key: {file}\ncopy it to each edge, and run there:\n  weir-agent --target {target} \
             --key-file {file} --redirect-address ADDRESS_OF_THE_EDGE"
        )
    }
}

/// Returns an address at which edges can probably reach this balancer.
fn format_target(reports: SocketAddr) -> String {
    if !reports.ip().is_unspecified() {
        return reports.to_string();
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // A host name that is an IPv6 address needs brackets.
    match name.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, reports.port()).to_string(),
        Err(_) => format!("{name}:{}", reports.port()),
    }
}
