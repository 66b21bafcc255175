//! `weir-balancer`, started as a user starts it.

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

/// A running balancer with a state folder of its own.
#[derive(Debug)]
pub struct Balancer {
    /// The program.
    pub process: Process,
    /// Where clients connect.
    pub clients: SocketAddr,
    /// Where agents report.
    pub reports: SocketAddr,
    /// Where it tells about itself.
    pub admin: SocketAddr,
    /// Holds the key and the configuration; removed on drop.
    state: TempDir,
}

impl Balancer {
    /// Starts one without a configuration, on free ports of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(folder(), None)
    }

    /// Starts one with this TOML configuration besides.
    #[must_use]
    pub fn with_config(toml: &str) -> Self {
        Self::start_in(folder(), Some(toml))
    }

    /// Starts one whose configuration says where it listens for clients: the first listener is [`Balancer::clients`].
    #[must_use]
    pub fn with_listeners(toml: &str) -> Self {
        let state = folder();
        let mut command = command(&state);
        command.arg("--config").arg(write_config(&state, toml));
        Self::await_addresses(command, state)
    }

    /// Starts one in a state folder that another may have used before.
    #[must_use]
    pub fn start_in(state: TempDir, config: Option<&str>) -> Self {
        let mut command = command(&state);
        if let Some(toml) = config {
            command.arg("--config").arg(write_config(&state, toml));
        }
        command.args(["--listen", "127.0.0.1:0"]);
        Self::await_addresses(command, state)
    }

    /// Starts one that holds this key.
    #[must_use]
    pub fn with_key(key: &str, config: Option<&str>) -> Self {
        let state = folder();
        fs::write(state.path().join("key"), format!("{key}\n")).expect("write the key");
        Self::start_in(state, config)
    }

    /// Starts the demonstration: a balancer and three edges in one process.
    #[must_use]
    pub fn demo() -> Self {
        let mut command = process::command(binaries::balancer());
        command.args(["demo", "--listen", "127.0.0.1:0"]);
        Self::await_addresses(command, folder())
    }

    fn await_addresses(mut command: Command, state: TempDir) -> Self {
        command.args(["--reports", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let process = Process::start(command);
        let address = |what: &str, before: &str| -> SocketAddr {
            process.await_output(&process.stdout, what, |text| {
                let rest = complete_lines(text).find_map(|line| line.strip_prefix(before))?;
                rest.split(' ').next()?.parse().ok()
            })
        };
        let clients = address("where it listens for clients", "listening on ");
        let reports = address("where it listens for reports", "reports on udp ");
        let admin = address("where its admin port is", "admin on http://");
        Self { process, clients, reports, admin, state }
    }

    /// Stops it and gives back its state folder, for the next one.
    #[must_use]
    pub fn stop(mut self) -> TempDir {
        let _ = self.process.terminate().expect_success();
        self.state
    }

    /// The key that it made at its first start.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.state.path().join("key")
    }

    /// Gives it other keys, one a line, and asks it to read them.
    pub fn set_keys(&self, keys: &[&str]) {
        fs::write(self.key_file(), keys.join("\n") + "\n").expect("write the keys");
        self.process.hang_up();
    }

    /// The token for its API.
    #[must_use]
    pub fn token(&self) -> String {
        let text = fs::read_to_string(self.state.path().join("token")).expect("a token in the state folder");
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// A URL of the clients' port; `path` starts with a slash.
    #[must_use]
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.clients)
    }

    /// Its metrics now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&http::get(self.admin, "/metrics").expect("the metrics").body)
    }

    /// Clients given an edge so far over `http`, `rtmp` or `rtsp`.
    #[must_use]
    pub fn handouts(&self, protocol: &str) -> f64 {
        self.metrics().sum("weir_assignments_total", &[("protocol", protocol)])
    }

    /// Connections of clients so far. A test that asks over the clients' port is one of them.
    #[must_use]
    pub fn clients_met(&self) -> f64 {
        self.metrics().sum("weir_client_connections_total", &[])
    }

    /// Its edges now, in order of their GUID.
    #[must_use]
    pub fn server_info(&self) -> Vec<ServerInfo> {
        let page = http::get(self.clients, "/loadbalancer?serverInfoXML").expect("the server information").body;
        ServerInfo::parse(&page).expect("well-formed server information")
    }

    /// Reports refused so far for this reason.
    #[must_use]
    pub fn rejected(&self, reason: &str) -> f64 {
        self.metrics().sum("weir_reports_rejected_total", &[("reason", reason)])
    }

    /// Waits until exactly `count` edges can take clients.
    #[track_caller]
    pub fn await_running(&self, count: usize) {
        self.await_fleet(&format!("{count} running edges"), |fleet| {
            fleet.iter().filter(|edge| edge.status == "RUNNING").count() == count
        });
    }

    /// Waits until the fleet is as `accept` wants it.
    #[track_caller]
    pub fn await_fleet(&self, what: &str, accept: impl Fn(&[ServerInfo]) -> bool) -> Vec<ServerInfo> {
        self.await_fleet_within(PATIENCE, what, accept)
    }

    /// [`Balancer::await_fleet`], where how long it takes is the question.
    #[track_caller]
    pub fn await_fleet_within(
        &self,
        within: Duration,
        what: &str,
        accept: impl Fn(&[ServerInfo]) -> bool,
    ) -> Vec<ServerInfo> {
        eventually(what, within, || {
            let fleet = self.server_info();
            if accept(&fleet) { Ok(fleet) } else { Err(format!("{fleet:?}")) }
        })
    }

    /// Memory that it holds of its own, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the balancer runs");
        // Without the pages of its file, which come as code is run for the first time.
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }
}

fn write_config(state: &TempDir, toml: &str) -> PathBuf {
    let file = state.path().join("weir.toml");
    fs::write(&file, toml).expect("write the configuration");
    file
}

/// A folder that is removed on drop.
#[must_use]
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("weir-test-").tempdir().expect("a temporary folder")
}

/// `weir-balancer --state …`, for tests that give the rest themselves.
#[must_use]
pub fn command(state: &TempDir) -> Command {
    let mut command = process::command(binaries::balancer());
    command.arg("--state").arg(state.path());
    command
}
