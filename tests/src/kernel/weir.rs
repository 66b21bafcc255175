//! Weir's programs on the hosts of a scenario.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::host::Host;
use crate::http::{self, Answer};
use crate::metrics::Metrics;
use crate::process::{Process, complete_lines};
use crate::wait::{self, PATIENCE};

/// Path of a balancer's configuration in the examples.
pub const CONFIGURATION: &str = "/etc/weir/weir.toml";

/// Port on which balancers receive reports.
const REPORTS: u16 = 1934;

/// Key of all programs, since each scenario has only one cluster.
const KEY: &str = "c2NlbmFyaW9zIG9mIHRoZSBrZXJuZWwsIDMyIGJ5dGU=\n";

/// A running balancer.
#[derive(Debug)]
pub struct Balancer<'a> {
    /// Its process.
    pub process: Process,
    /// Its machine.
    pub host: &'a Host,
    /// Its admin address.
    pub admin: SocketAddr,
}

impl<'a> Balancer<'a> {
    /// Starts a balancer with this configuration file, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(host: &'a Host, configuration: &Path) -> Self {
        Self::start_command(host, host.command("weir-balancer"), configuration)
    }

    /// As [`start`](Self::start), as an unprivileged user with this capability, such as `net_admin`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with_only(host: &'a Host, capability: &str, configuration: &Path) -> Self {
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(state(host, "balancer"), everybody).expect("a folder in memory");
        // By its path, since the one of busybox has fewer options.
        let mut command = host.command("/bin/setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
        command.args(["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}=-all,+{capability}")));
        command.args(["--", "weir-balancer"]);
        Self::start_command(host, command, configuration)
    }

    fn start_command(host: &'a Host, mut command: Command, configuration: &Path) -> Self {
        command.arg("--config").arg(configuration).arg("--state").arg(state(host, "balancer"));
        let process = host.start(command);
        let admin = process.await_output(&process.stdout, "its admin address", |text| {
            complete_lines(text).find_map(|line| line.strip_prefix("admin on http://"))?.parse().ok()
        });
        Self { process, host, admin }
    }

    /// Its present metrics.
    ///
    /// # Panics
    /// If it does not respond.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let answer = self.host.run(|| http::get(self.admin, "/metrics"));
        Metrics::parse(&answer.expect("the metrics").body)
    }

    /// Sends a request to the API. `path` is relative to `/api/v1/`.
    ///
    /// # Panics
    /// If there is no response.
    #[track_caller]
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\n", state_file(self.host, "balancer", "token"));
        let answer = self.host.run(|| http::send(self.admin, method, &format!("/api/v1/{path}"), &headers));
        answer.expect("a response of the API")
    }

    /// Sends a command to the edge on this host through the API, such as `drain?deadline=10m`.
    ///
    /// # Panics
    /// If it is not accepted.
    #[track_caller]
    pub fn send_command(&self, edge: &Host, command: &str) {
        let answer = self.call("POST", &format!("edges/{}/{command}", state_file(edge, "agent", "guid")));
        assert_eq!(answer.status, 202, "{command}: {answer:?}");
    }

    /// Waits until the kernel is in its desired state.
    #[track_caller]
    pub fn await_kernel(&self) {
        wait::until("the kernel is in its desired state", PATIENCE, || {
            self.metrics().sum("weir_kernel_up", &[]) == 1.0
        });
    }
}

/// Runs a command of the agent on a real server, such as `drain --deadline 10m`.
pub fn run_agent_command(host: &Host, command: &str) {
    let state = folder(host, "agent");
    host.call(&format!("weir-agent {command} --state {}", state.display()));
}

/// Starts a balancer with the configuration at [`CONFIGURATION`], and waits until it is ready.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start(host: &Host) -> Balancer<'_> {
    Balancer::start(host, Path::new(CONFIGURATION))
}

/// Starts an agent on a real server that reports the connections on `port` to balancers at these addresses.
#[must_use]
pub fn agent(host: &Host, balancers: &[IpAddr], address: IpAddr, port: u16) -> Process {
    agent_with_options(host, balancers, address, port, &[])
}

/// As [`agent`], with more options.
#[must_use]
pub fn agent_with_options(
    host: &Host,
    balancers: &[IpAddr],
    address: IpAddr,
    port: u16,
    options: &[String],
) -> Process {
    let state = state(host, "agent");
    let mut command = Command::new("weir-agent");
    command.arg("--key-file").arg(state.join("key")).arg("--state").arg(&state);
    command.args(["--probe", "system", "--port", &port.to_string(), "--interval", "500ms"]);
    command.args(["--redirect-address", &address.to_string()]);
    command.args(options);
    for balancer in balancers {
        command.args(["--target", &SocketAddr::new(*balancer, REPORTS).to_string()]);
    }
    host.start(command)
}

/// Creates the state folder of a program, with the key.
fn state(host: &Host, program: &str) -> PathBuf {
    let folder = folder(host, program);
    fs::create_dir_all(&folder).expect("a folder in memory");
    fs::write(folder.join("key"), KEY).expect("a file in memory");
    folder
}

/// Path of the state folder of a program.
fn folder(host: &Host, program: &str) -> PathBuf {
    host.folder().join(program)
}

/// Reads a file with a single line from the state folder of a program.
fn state_file(host: &Host, program: &str, file: &str) -> String {
    let text = fs::read_to_string(folder(host, program).join(file)).expect("a file that is written at the start");
    text.trim().to_owned()
}
