//! keepalived, which moves virtual addresses between directors.

use std::process::Command;

use super::host::Host;
use crate::process::Process;

/// Starts keepalived on a host with this configuration: VRRP only, since its own checks would write what Weir writes.
/// It logs to its standard error.
#[must_use]
pub fn start(host: &Host, configuration: &str) -> Process {
    let file = host.write("keepalived.conf", configuration);
    let mut command = Command::new("keepalived");
    command.args(["--vrrp", "--dont-fork", "--log-console", "--no-syslog"]).arg("--use-file").arg(file);
    // Directors have one file system: without names of their own, the second would take the first for itself.
    command.arg("--pid").arg(host.folder().join("keepalived.pid"));
    command.arg("--vrrp_pid").arg(host.folder().join("vrrp.pid"));
    host.start(command)
}
