//! Starts `weir-agent` as a user would.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::balancer::{Balancer, folder};
use crate::binaries;
use crate::connections::Connections;
use crate::loopback;
use crate::process::{self, Finished, Process};

/// Settings of an agent to start.
#[derive(Debug)]
pub struct AgentBuilder {
    address: Ipv4Addr,
    /// Redirect address, if it differs from `address`.
    redirect: Option<String>,
    /// Shorter than the default of 2.5 s, because many tests wait for a report.
    interval: String,
    /// Command-line options: targets, keys, endpoints and limits.
    options: Vec<String>,
    probe: Option<String>,
    /// Port whose connections the system probe counts, if it is not that of `load`.
    port: Option<u16>,
    load: usize,
    state: TempDir,
}

/// A running agent and the client connections that it counts.
#[derive(Debug)]
pub struct Agent {
    /// The program.
    pub process: Process,
    /// The edge's redirect address.
    pub address: Ipv4Addr,
    /// Client connections visible to its system probe. Not counted with another probe or port.
    pub connections: Connections,
    /// Command-line arguments, kept for a restart as the same edge.
    arguments: Vec<String>,
    /// State folder with its GUID; removed on drop.
    state: TempDir,
}

impl AgentBuilder {
    /// Returns settings for an agent that reports to `balancer`, for an edge on its own loopback address.
    #[must_use]
    pub fn of(balancer: &Balancer) -> Self {
        Self::reporting_to(balancer.reports, &balancer.key_file())
    }

    /// Returns settings for an agent that reports to `target` with the key in `key_file`.
    #[must_use]
    pub fn reporting_to(target: SocketAddr, key_file: &Path) -> Self {
        Self::without_target().target(target).option("--key-file", &key_file.display().to_string())
    }

    /// Returns settings for an agent that reports to `balancer` with `key`, as printed by `weir-balancer keygen`.
    #[must_use]
    pub fn with_key(balancer: &Balancer, key: &str) -> Self {
        let builder = Self::without_target().target(balancer.reports);
        let file = builder.file("key", key);
        builder.option("--key-file", &file)
    }

    /// Returns settings for an agent that reads targets and keys from a file with lines `host,port,key`.
    #[must_use]
    pub fn with_targets_file(lines: &str) -> Self {
        let builder = Self::without_target();
        let file = builder.file("loadbalancertargets.txt", lines);
        builder.option("--targets-file", &file)
    }

    fn without_target() -> Self {
        Self {
            address: loopback::address(),
            redirect: None,
            interval: "500ms".to_owned(),
            options: Vec::new(),
            probe: None,
            port: None,
            load: 0,
            state: folder(),
        }
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Writes a one-line file to the state folder and returns its path.
    fn file(&self, name: &str, line: &str) -> String {
        let file = self.state.path().join(name);
        fs::write(&file, format!("{line}\n")).expect("write to the state folder");
        file.display().to_string()
    }

    /// Sets the edge's address, for a media server that already has one.
    #[must_use]
    pub fn address(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// Adds a balancer.
    #[must_use]
    pub fn target(self, target: SocketAddr) -> Self {
        self.option("--target", &target.to_string())
    }

    /// Sets the GUID.
    #[must_use]
    pub fn guid(self, guid: &str) -> Self {
        let _path = self.file("guid", guid);
        self
    }

    /// Sets the redirect address, if it differs from the edge's address.
    #[must_use]
    pub fn redirect(mut self, host: &str) -> Self {
        self.redirect = Some(host.to_owned());
        self
    }

    /// Sets the interval of regular reports, such as `60s`.
    #[must_use]
    pub fn interval(mut self, interval: &str) -> Self {
        self.interval = interval.to_owned();
        self
    }

    /// Sets the edge's capacity in connections.
    #[must_use]
    pub fn max_connections(self, count: u64) -> Self {
        self.option("--max-connections", &count.to_string())
    }

    /// Adds an endpoint on the edge's own address.
    #[must_use]
    pub fn endpoint(self, scheme: &str, port: u16) -> Self {
        self.endpoint_at(scheme, "", port)
    }

    /// Adds an endpoint with a host that differs from the edge's.
    #[must_use]
    pub fn endpoint_at(self, scheme: &str, host: &str, port: u16) -> Self {
        self.option("--endpoint", &format!("{scheme}://{host}:{port}"))
    }

    /// Counts connections on this port, for tests with their own edge server.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the edge's zone.
    #[must_use]
    pub fn zone(self, zone: &str) -> Self {
        self.option("--zone", zone)
    }

    /// Reads the load from nginx-rtmp's status page instead of the kernel.
    #[must_use]
    pub fn nginx_rtmp(mut self, status_page: &str) -> Self {
        self.probe = Some(format!("nginx-rtmp={status_page}"));
        self
    }

    /// Sets the number of clients connected to the edge.
    #[must_use]
    pub fn load(mut self, connections: usize) -> Self {
        self.load = connections;
        self
    }

    /// Starts the agent.
    #[must_use]
    pub fn start(self) -> Agent {
        let mut connections = Connections::on(self.address);
        connections.set(self.load);
        let redirect = self.redirect.unwrap_or_else(|| self.address.to_string());
        let mut arguments = self.options;
        let mut option = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
        option("--redirect-address", &redirect);
        option("--interval", &self.interval);
        match self.probe {
            Some(probe) => option("--probe", &probe),
            None => {
                option("--probe", "system");
                option("--port", &self.port.unwrap_or(connections.port()).to_string());
            }
        }
        let state = self.state;
        let process = launch(&state, &arguments);
        Agent { process, address: self.address, connections, arguments, state }
    }
}

impl Agent {
    /// Stops it (SIGTERM) and waits until it has ended.
    pub fn terminate(&mut self) -> Finished {
        self.process.terminate()
    }

    /// Kills it (SIGKILL), so that it cannot send a last report.
    pub fn kill(&mut self) -> Finished {
        self.process.kill()
    }

    /// Returns the state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// Returns the edge's GUID.
    ///
    /// # Panics
    /// If the agent has not created one yet. It has once a balancer lists the edge.
    #[must_use]
    pub fn guid(&self) -> String {
        fs::read_to_string(self.state.path().join("guid")).expect("a GUID in the state folder").trim().to_owned()
    }

    /// Replaces its key, effective from the next start.
    pub fn set_key(&self, key: &str) {
        fs::write(self.state.path().join("key"), format!("{key}\n")).expect("write to the state folder");
    }

    /// Restarts it as the same edge after it has ended.
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

/// Returns the command `weir-agent --state …`, for tests that supply the other arguments.
#[must_use]
pub fn command(state: &TempDir) -> Command {
    let mut command = process::command(binaries::agent());
    command.arg("--state").arg(state.path());
    command
}
