//! How many files this process may have open, and how many clients that admits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::info;

use crate::config::Config;

/// Lets this process have as many open files as it may, since each client is one and each that is relayed takes more, and
/// admits no more clients than that.
pub fn fit(config: &mut Config) {
    let limit = getrlimit(Resource::Nofile);
    // The hard limit is there for the taking; when it is refused all the same, the soft one holds.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok();
    let Some(allowed) = (if raised { limit.maximum } else { limit.current }) else { return };
    fit_to(config, allowed);
}

/// Admits no more clients than so many files allow.
fn fit_to(config: &mut Config, allowed: u64) {
    /// Files besides clients: sockets for listening, reports, the kernel, runtimes and logs.
    const OTHERS: u64 = 64;

    // A check without a file says nothing of its server: those that fail would stay in the kernel when it is needed most.
    let free = allowed.saturating_sub(
        OTHERS + (config.admin.connections + config.kernel.as_ref().map_or(0, weir_kernel::Settings::files)) as u64,
    );
    let sessions = config.fronts.relay.sessions;
    // Relaying is for the few that cannot be redirected: where files are scarce it gets three in eight of them.
    if free < (config.fronts.limits.connections + config.fronts.relay.files()) as u64 && free / 4 < sessions as u64 {
        config.fronts.relay.sessions = usize::try_from(free / 4).unwrap_or(sessions);
        info!(
            sessions = config.fronts.relay.sessions,
            "relaying fewer clients at a time than [relay] sessions: fewer open files are allowed (LimitNOFILE, ulimit -n)"
        );
    }
    let clients = free.saturating_sub(config.fronts.relay.files() as u64).max(1);
    if config.fronts.limits.connections as u64 > clients {
        info!(
            clients,
            "serving fewer clients at a time than [limits] connections: fewer open files are allowed (LimitNOFILE, ulimit -n)"
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
    fn files_of_checks_are_none_of_clients() {
        let service =
            "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";
        assert_eq!(clients(""), 1000);
        assert_eq!(clients(service), 1000);
        assert_eq!(clients(&format!("[kernel]\nconcurrent_checks = 300\n{service}check.kind = \"tcp\"\n")), 700);
    }
}
