//! `weir-agent`, started as a user starts it.

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

/// What an agent is started with.
#[derive(Debug)]
pub struct AgentBuilder {
    address: Ipv4Addr,
    /// What clients are told, when it is not the address.
    redirect: Option<String>,
    /// Shorter than the default of 2.5 s unless a test says otherwise: many await a report.
    interval: String,
    /// Targets, keys, endpoints and limits, as they go on the command line.
    options: Vec<String>,
    probe: Option<String>,
    /// Whose connections the system probe counts, when it is not those of `load`.
    port: Option<u16>,
    load: usize,
    state: TempDir,
}

/// A running agent, with the connections that it counts.
#[derive(Debug)]
pub struct Agent {
    /// The program.
    pub process: Process,
    /// The edge's redirect address.
    pub address: Ipv4Addr,
    /// The clients that its system probe sees; none with another probe, or where it counts those of another port.
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
        Self::without_target().target(target).option("--key-file", &key_file.display().to_string())
    }

    /// An agent that reports to this balancer with a key of its own, such as `weir-balancer keygen` prints it.
    #[must_use]
    pub fn with_key(balancer: &Balancer, key: &str) -> Self {
        let builder = Self::without_target().target(balancer.reports);
        let file = builder.file("key", key);
        builder.option("--key-file", &file)
    }

    /// An agent that finds balancers and keys in a file of lines `host,port,key`.
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

    /// Writes a file of one line into the state folder; its path.
    fn file(&self, name: &str, line: &str) -> String {
        let file = self.state.path().join(name);
        fs::write(&file, format!("{line}\n")).expect("write into the state folder");
        file.display().to_string()
    }

    /// The edge's own address, when a media server already has one.
    #[must_use]
    pub fn address(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// One more balancer.
    #[must_use]
    pub fn target(self, target: SocketAddr) -> Self {
        self.option("--target", &target.to_string())
    }

    /// It was this edge before.
    #[must_use]
    pub fn guid(self, guid: &str) -> Self {
        let _path = self.file("guid", guid);
        self
    }

    /// What clients are to call the edge, when that is not its address.
    #[must_use]
    pub fn redirect(mut self, host: &str) -> Self {
        self.redirect = Some(host.to_owned());
        self
    }

    /// The time between two reports when nothing happens, such as `60s`.
    #[must_use]
    pub fn interval(mut self, interval: &str) -> Self {
        self.interval = interval.to_owned();
        self
    }

    /// Most connections that the edge can carry.
    #[must_use]
    pub fn max_connections(self, count: u64) -> Self {
        self.option("--max-connections", &count.to_string())
    }

    /// The port that the edge serves a protocol on.
    #[must_use]
    pub fn endpoint(self, scheme: &str, port: u16) -> Self {
        self.endpoint_at(scheme, "", port)
    }

    /// The host, when it is another than the edge's, and the port that the edge serves a protocol on.
    #[must_use]
    pub fn endpoint_at(self, scheme: &str, host: &str, port: u16) -> Self {
        self.option("--endpoint", &format!("{scheme}://{host}:{port}"))
    }

    /// Counts the connections on this port of the host, where a test has an edge of its own.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The zone that the edge is in.
    #[must_use]
    pub fn zone(self, zone: &str) -> Self {
        self.option("--zone", zone)
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
    /// Asks it to stop and waits until it has.
    pub fn terminate(&mut self) -> Finished {
        self.process.terminate()
    }

    /// Kills it without a last report.
    pub fn kill(&mut self) -> Finished {
        self.process.kill()
    }

    /// Its state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The edge's GUID.
    ///
    /// # Panics
    /// When it has not made one yet: a balancer that knows the edge has.
    #[must_use]
    pub fn guid(&self) -> String {
        fs::read_to_string(self.state.path().join("guid")).expect("a GUID in the state folder").trim().to_owned()
    }

    /// Gives it another key, for its next start.
    pub fn set_key(&self, key: &str) {
        fs::write(self.state.path().join("key"), format!("{key}\n")).expect("write into the state folder");
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
