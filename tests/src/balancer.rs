//! Starts `weir-balancer` as a user would.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::binaries;
use crate::http;
use crate::metrics::Metrics;
use crate::process::{self, Process, complete_lines};
use crate::server_info::ServerInfo;
use crate::wait::{PATIENCE, eventually};

/// A running balancer with its own state folder.
#[derive(Debug)]
pub struct Balancer {
    /// The program.
    pub process: Process,
    /// Address for clients.
    pub clients: SocketAddr,
    /// Address for reports.
    pub reports: SocketAddr,
    /// Address of the administration.
    pub admin: SocketAddr,
    /// State folder with the key and the configuration; removed on drop.
    state: TempDir,
}

impl Balancer {
    /// Starts a balancer without a configuration, on free ports of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(folder(), None)
    }

    /// Starts a balancer with this TOML configuration.
    #[must_use]
    pub fn with_config(toml: &str) -> Self {
        Self::start_in(folder(), Some(toml))
    }

    /// Starts a balancer whose configuration defines its listeners; the first one is [`Balancer::clients`].
    #[must_use]
    pub fn with_listeners(toml: &str) -> Self {
        let state = folder();
        let mut command = command(&state);
        command.arg("--config").arg(write_config(&state, toml));
        Self::await_addresses(command, state)
    }

    /// Starts a balancer in an existing state folder.
    #[must_use]
    pub fn start_in(state: TempDir, config: Option<&str>) -> Self {
        let mut command = command(&state);
        if let Some(toml) = config {
            command.arg("--config").arg(write_config(&state, toml));
        }
        command.args(["--listen", "127.0.0.1:0"]);
        Self::await_addresses(command, state)
    }

    /// Starts a balancer with this cluster key.
    #[must_use]
    pub fn with_key(key: &str, config: Option<&str>) -> Self {
        let state = folder();
        fs::write(state.path().join("key"), format!("{key}\n")).expect("write the key");
        Self::start_in(state, config)
    }

    /// Starts `weir-balancer demo`: a balancer and three edges in one process.
    #[must_use]
    pub fn demo() -> Self {
        let mut command = process::command(binaries::balancer());
        command.args(["demo", "--listen", "127.0.0.1:0"]);
        Self::await_addresses(command, folder())
    }

    fn await_addresses(mut command: Command, state: TempDir) -> Self {
        command.args(["--reports", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let process = Process::start(command);
        let address = |description: &str, prefix: &str| -> SocketAddr {
            process.await_output(&process.stdout, description, |text| {
                let rest = complete_lines(text).find_map(|line| line.strip_prefix(prefix))?;
                rest.split(' ').next()?.parse().ok()
            })
        };
        let clients = address("the address for clients", "listening on ");
        let reports = address("the address for reports", "reports on udp ");
        let admin = address("the admin address", "admin on http://");
        Self { process, clients, reports, admin, state }
    }

    /// Stops it and returns its state folder, for another start.
    #[must_use]
    pub fn stop(mut self) -> TempDir {
        let _ = self.process.terminate().expect_success();
        self.state
    }

    /// Returns the path of its key file.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.state.path().join("key")
    }

    /// Replaces its keys and makes it reload them.
    pub fn set_keys(&self, keys: &[&str]) {
        fs::write(self.key_file(), keys.join("\n") + "\n").expect("write the keys");
        self.process.send_sighup();
    }

    /// Returns the operator token for its API.
    #[must_use]
    pub fn token(&self) -> String {
        let text = fs::read_to_string(self.state.path().join("token")).expect("a token in the state folder");
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Returns a URL on its port for clients; `path` starts with a slash.
    #[must_use]
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.clients)
    }

    /// Scrapes its metrics.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&http::get(self.admin, "/metrics").expect("the metrics").body)
    }

    /// Returns the number of assignments so far over `http`, `rtmp` or `rtsp`.
    #[must_use]
    pub fn assignments(&self, protocol: &str) -> f64 {
        self.metrics().sum("weir_assignments_total", &[("protocol", protocol)])
    }

    /// Returns the number of client connections accepted so far, including those of the test itself.
    #[must_use]
    pub fn connections_accepted(&self) -> f64 {
        self.metrics().sum("weir_client_connections_total", &[])
    }

    /// Returns its edges, ordered by GUID.
    #[must_use]
    pub fn server_info(&self) -> Vec<ServerInfo> {
        let page = http::get(self.clients, "/loadbalancer?serverInfoXML").expect("the server information").body;
        ServerInfo::parse(&page).expect("well-formed server information")
    }

    /// Returns the number of reports rejected so far for this reason.
    #[must_use]
    pub fn reports_rejected(&self, reason: &str) -> f64 {
        self.metrics().sum("weir_reports_rejected_total", &[("reason", reason)])
    }

    /// Waits until exactly `count` edges are running.
    #[track_caller]
    pub fn await_running(&self, count: usize) {
        self.await_fleet(&format!("{count} running edges"), |fleet| {
            fleet.iter().filter(|edge| edge.status == "RUNNING").count() == count
        });
    }

    /// Waits until the fleet satisfies `condition`.
    #[track_caller]
    pub fn await_fleet(&self, description: &str, condition: impl Fn(&[ServerInfo]) -> bool) -> Vec<ServerInfo> {
        self.await_fleet_within(PATIENCE, description, condition)
    }

    /// Waits as [`Balancer::await_fleet`], with a time limit of its own.
    #[track_caller]
    pub fn await_fleet_within(
        &self,
        within: Duration,
        description: &str,
        condition: impl Fn(&[ServerInfo]) -> bool,
    ) -> Vec<ServerInfo> {
        eventually(description, within, || {
            let fleet = self.server_info();
            if condition(&fleet) { Ok(fleet) } else { Err(format!("{fleet:?}")) }
        })
    }

    /// Returns its resident anonymous memory in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the balancer runs");
        // Without file-backed pages, which are loaded when code runs for the first time.
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon in /proc/PID/status");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }
}

fn write_config(state: &TempDir, toml: &str) -> PathBuf {
    let file = state.path().join("weir.toml");
    fs::write(&file, toml).expect("write the configuration");
    file
}

/// Creates a temporary folder, removed on drop.
#[must_use]
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("weir-test-").tempdir().expect("a temporary folder")
}

/// Returns the command `weir-balancer --state …`, for tests that supply the other arguments.
#[must_use]
pub fn command(state: &TempDir) -> Command {
    let mut command = process::command(binaries::balancer());
    command.arg("--state").arg(state.path());
    command
}
