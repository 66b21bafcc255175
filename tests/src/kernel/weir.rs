//! Weir's own programs on hosts of a scenario.

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

/// Where examples have a balancer's configuration.
pub const CONFIGURATION: &str = "/etc/weir/weir.toml";

/// Where balancers listen for reports.
const REPORTS: u16 = 1934;

/// A key for all, since each scenario is a site of its own.
const KEY: &str = "c2NlbmFyaW9zIG9mIHRoZSBrZXJuZWwsIDMyIGJ5dGU=\n";

/// A running balancer.
#[derive(Debug)]
pub struct Balancer<'a> {
    /// The program.
    pub process: Process,
    /// Where it runs.
    pub host: &'a Host,
    /// Where it tells about itself.
    pub admin: SocketAddr,
}

impl<'a> Balancer<'a> {
    /// Starts one with this configuration file, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(host: &'a Host, configuration: &Path) -> Self {
        Self::start_by(host, host.command("weir-balancer"), configuration)
    }

    /// The same as a user without any rights but this capability, such as `net_admin`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with_only(host: &'a Host, capability: &str, configuration: &Path) -> Self {
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(state(host, "balancer"), everybody).expect("a folder in memory");
        // By its path: busybox has one of its own, which knows less.
        let mut command = host.command("/bin/setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
        command.args(["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}=-all,+{capability}")));
        command.args(["--", "weir-balancer"]);
        Self::start_by(host, command, configuration)
    }

    fn start_by(host: &'a Host, mut command: Command, configuration: &Path) -> Self {
        command.arg("--config").arg(configuration).arg("--state").arg(state(host, "balancer"));
        let process = host.start(command);
        let admin = process.await_output(&process.stdout, "where its admin port is", |text| {
            complete_lines(text).find_map(|line| line.strip_prefix("admin on http://"))?.parse().ok()
        });
        Self { process, host, admin }
    }

    /// Its metrics now.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let answer = self.host.run(|| http::get(self.admin, "/metrics"));
        Metrics::parse(&answer.expect("the metrics").body)
    }

    /// A call of the API: `path` is what follows `/api/v1/`.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\n", kept(self.host, "balancer", "token"));
        let answer = self.host.run(|| http::send(self.admin, method, &format!("/api/v1/{path}"), &headers));
        answer.expect("an answer of the API")
    }

    /// Gives the edge on this host an order by the API, such as `drain?deadline=10m`.
    ///
    /// # Panics
    /// When it is not taken.
    #[track_caller]
    pub fn order(&self, edge: &Host, order: &str) {
        let answer = self.call("POST", &format!("edges/{}/{order}", kept(edge, "agent", "guid")));
        assert_eq!(answer.status, 202, "{order}: {answer:?}");
    }

    /// Waits until it has read the kernel, and made it what it should be.
    #[track_caller]
    pub fn await_kernel(&self) {
        wait::until("the kernel is as it should be", PATIENCE, || self.metrics().sum("weir_kernel_up", &[]) == 1.0);
    }
}

/// Tells the agent on a real server something, as its operator does: `drain --deadline 10m`.
pub fn tell_agent(host: &Host, order: &str) {
    let state = folder(host, "agent");
    host.call(&format!("weir-agent {order} --state {}", state.display()));
}

/// Starts a balancer with what is in [`CONFIGURATION`] there, and waits until it is ready.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start(host: &Host) -> Balancer<'_> {
    Balancer::start(host, Path::new(CONFIGURATION))
}

/// Starts an agent on a real server, which reports the connections on `port` to balancers at these addresses.
#[must_use]
pub fn agent(host: &Host, balancers: &[IpAddr], address: IpAddr, port: u16) -> Process {
    agent_that_says(host, balancers, address, port, &[])
}

/// The same, with more options.
#[must_use]
pub fn agent_that_says(host: &Host, balancers: &[IpAddr], address: IpAddr, port: u16, options: &[String]) -> Process {
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

/// A state folder with the key.
fn state(host: &Host, program: &str) -> PathBuf {
    let folder = folder(host, program);
    fs::create_dir_all(&folder).expect("a folder in memory");
    fs::write(folder.join("key"), KEY).expect("a file in memory");
    folder
}

/// Where the state of a program on this host is.
fn folder(host: &Host, program: &str) -> PathBuf {
    host.folder().join(program)
}

/// What a program keeps in a file of one line.
fn kept(host: &Host, program: &str, file: &str) -> String {
    let text = fs::read_to_string(folder(host, program).join(file)).expect("it is written at the start");
    text.trim().to_owned()
}
