//! keepalived, which moves virtual addresses between directors.

use super::host::Host;
use crate::process::Process;

/// Where it finds what it is configured with.
pub const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

/// Starts keepalived on a host with what is in [`CONFIGURATION`] there: VRRP only, since its own checks would write what Weir
/// writes. It logs to its standard error.
#[must_use]
pub fn start(host: &Host) -> Process {
    let mut command = host.command("keepalived");
    command.args(["--vrrp", "--dont-fork", "--log-console", "--no-syslog"]);
    // Directors have one /run: without names of their own, the second would take the first for itself.
    command.arg("--pid").arg(host.folder().join("keepalived.pid"));
    command.arg("--vrrp_pid").arg(host.folder().join("vrrp.pid"));
    host.start(command)
}
