//! The limit of open files, and the number of clients that it allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::info;

use crate::config::Config;

/// Raises the limit of open files to the hard limit, and lowers the limits of clients and relayed sessions to what it
/// allows. Each client takes a file descriptor, and a relayed one takes more.
pub fn fit(config: &mut Config) {
    let limit = getrlimit(Resource::Nofile);
    // Raising the soft limit needs no privilege. If it fails nevertheless, the soft limit applies.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok();
    let Some(allowed) = (if raised { limit.maximum } else { limit.current }) else { return };
    fit_to(config, allowed);
}

/// Lowers the limits to what `allowed` open files permit.
fn fit_to(config: &mut Config, allowed: u64) {
    /// Files other than those of clients: listening sockets, reports, netlink, runtimes, logs.
    const OTHERS: u64 = 64;

    // A health check that gets no file descriptor has no result: failed servers would stay in the kernel under high
    // load.
    let free = allowed.saturating_sub(
        OTHERS + (config.admin.connections + config.kernel.as_ref().map_or(0, weir_kernel::Settings::files)) as u64,
    );
    let sessions = config.fronts.relay.sessions;
    // Relaying is for the few clients that cannot be redirected. Where files are scarce, it gets three eighths of them.
    if free < (config.fronts.limits.connections + config.fronts.relay.files()) as u64 && free / 4 < sessions as u64 {
        config.fronts.relay.sessions = usize::try_from(free / 4).unwrap_or(sessions);
        info!(
            sessions = config.fronts.relay.sessions,
            "[relay] sessions lowered to fit the limit of open files; raise LimitNOFILE or ulimit -n"
        );
    }
    let clients = free.saturating_sub(config.fronts.relay.files() as u64).max(1);
    if config.fronts.limits.connections as u64 > clients {
        info!(
            connections = clients,
            "[limits] connections lowered to fit the limit of open files; raise LimitNOFILE or ulimit -n"
        );
        config.fronts.limits.connections = usize::try_from(clients).unwrap_or(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn clients(lines: &str) -> usize {
        let text = format!("[admin]\nconnections = 36\n[relay]\nsessions = 0\n{lines}");
        let mut config = Config::parse(&text, Path::new("weir.toml")).unwrap();
        fit_to(&mut config, 1100);
        config.fronts.limits.connections
    }

    #[test]
    fn files_for_health_checks_are_not_available_to_clients() {
        let service =
            "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";
        assert_eq!(clients(""), 1000);
        assert_eq!(clients(service), 1000);
        assert_eq!(clients(&format!("[kernel]\nconcurrent_checks = 300\n{service}check.kind = \"tcp\"\n")), 700);
    }
}
