//! keepalived, which moves virtual addresses between directors.

use super::host::Host;
use crate::process::Process;

/// Path of its configuration file.
pub const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

/// Starts keepalived on a host with the configuration at [`CONFIGURATION`], with VRRP only, since its own checks would
/// compete with Weir. It logs to standard error.
#[must_use]
pub fn start(host: &Host) -> Process {
    let mut command = host.command("keepalived");
    command.args(["--vrrp", "--dont-fork", "--log-console", "--no-syslog"]);
    // Directors share /run. With the default PID files, the second keepalived would find the first one running.
    command.arg("--pid").arg(host.folder().join("keepalived.pid"));
    command.arg("--vrrp_pid").arg(host.folder().join("vrrp.pid"));
    host.start(command)
}
