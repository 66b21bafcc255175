//! `weir-agent`, started as a user starts it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::balancer::{Balancer, folder};
use crate::binaries;
use crate::connections::Connections;
use crate::loopback;
use crate::process::{self, Finished, Process};

/// What an agent is started with.
#[derive(Debug)]
pub struct AgentBuilder {
    address: Ipv4Addr,
    targets: Vec<String>,
    key_file: PathBuf,
    endpoints: Vec<String>,
    probe: Option<String>,
    load: usize,
}

/// A running agent, with the connections that it counts.
#[derive(Debug)]
pub struct Agent {
    /// The program.
    pub process: Process,
    /// The edge's redirect address.
    pub address: Ipv4Addr,
    /// The clients that its system probe sees; none with another probe.
    pub connections: Connections,
    /// What starts it again as the same edge.
    arguments: Vec<String>,
    /// Holds its GUID; removed on drop.
    state: TempDir,
}

impl AgentBuilder {
    /// An agent that reports to this balancer, for an edge on a loopback address of its own.
    #[must_use]
    pub fn of(balancer: &Balancer) -> Self {
        Self::to(balancer.reports, &balancer.key_file())
    }

    /// An agent that reports to this address with this key.
    #[must_use]
    pub fn to(target: SocketAddr, key_file: &Path) -> Self {
        Self {
            address: loopback::address(),
            targets: vec![target.to_string()],
            key_file: key_file.to_owned(),
            endpoints: Vec::new(),
            probe: None,
            load: 0,
        }
    }

    /// The edge's own address, when a media server already has one.
    #[must_use]
    pub fn address(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// One more balancer.
    #[must_use]
    pub fn target(mut self, target: SocketAddr) -> Self {
        self.targets.push(target.to_string());
        self
    }

    /// The port that the edge serves a protocol on.
    #[must_use]
    pub fn endpoint(mut self, scheme: &str, port: u16) -> Self {
        self.endpoints.push(format!("{scheme}://:{port}"));
        self
    }

    /// Takes the load from nginx-rtmp's status page instead of the host.
    #[must_use]
    pub fn nginx_rtmp(mut self, status_page: &str) -> Self {
        self.probe = Some(format!("nginx-rtmp={status_page}"));
        self
    }

    /// That many clients are connected to the edge.
    #[must_use]
    pub fn load(mut self, connections: usize) -> Self {
        self.load = connections;
        self
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Agent {
        let mut connections = Connections::on(self.address);
        connections.set(self.load);
        let mut arguments = vec!["--redirect-address".to_owned(), self.address.to_string()];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--key-file", self.key_file.display().to_string());
        // Shorter than the default of 2.5 s: many tests await a report.
        option("--interval", "500ms".to_owned());
        self.targets.into_iter().for_each(|target| option("--target", target));
        self.endpoints.into_iter().for_each(|endpoint| option("--endpoint", endpoint));
        match self.probe {
            Some(probe) => option("--probe", probe),
            None => {
                option("--probe", "system".to_owned());
                option("--port", connections.port().to_string());
            }
        }
        let state = folder();
        let process = launch(&state, &arguments);
        Agent { process, address: self.address, connections, arguments, state }
    }
}

impl Agent {
    /// Asks it to stop and waits until it has.
    pub fn terminate(&mut self) -> Finished {
        self.process.terminate()
    }

    /// Kills it without a last report.
    pub fn kill(&mut self) -> Finished {
        self.process.kill()
    }

    /// Starts it again, as the same edge, after it ended.
    pub fn restart(&mut self) {
        assert!(self.process.has_ended(), "two agents with one GUID");
        self.process = launch(&self.state, &self.arguments);
    }
}

fn launch(state: &TempDir, arguments: &[String]) -> Process {
    let mut command = command(state);
    command.args(arguments);
    Process::start(command)
}

/// `weir-agent --state …`, for tests that give the rest themselves.
#[must_use]
pub fn command(state: &TempDir) -> Command {
    let mut command = process::command(binaries::agent());
    command.arg("--state").arg(state.path());
    command
}
