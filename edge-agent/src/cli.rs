//! The command line of `weir-agent`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tracing::warn;
use weir_edge_agent::probe::{NginxRtmp, Probe, System};
use weir_edge_agent::targets::{self, TargetAddress};
use weir_edge_agent::{Config, Endpoint, Target, identity};
use weir_program::{keys, state, units};
use weir_protocol::key::WrittenKey;
use weir_protocol::report::{self, Capacity};
use weir_protocol::{EdgeId, EdgeKey, Host};

/// The port whose connections are counted when nothing says which.
const DEFAULT_PORT: u16 = 1935;

/// Reports the load of one media server to balancers.
///
/// Needs a target, a key and, unless balancers are to take the address that reports come from, a redirect address.
#[derive(Debug, Parser)]
#[command(name = "weir-agent", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Ask>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What the agent that runs on this machine is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Ask {
    /// Let this edge take no new clients. Kept until `unpause`, also over a restart.
    Pause(Where),
    /// Let this edge take clients again.
    Unpause(Where),
    /// Let this edge take no new clients, and be empty by a deadline.
    Drain {
        /// How long until then, such as 10m.
        #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
        deadline: Option<Duration>,
        #[command(flatten)]
        place: Where,
    },
    /// Show how this edge and its balancers are.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
    /// Make this machine a real server for direct routing: it takes packets for the virtual addresses, and tells nobody
    /// that it has them. Lasts until it starts anew.
    DirectRouting(DirectRouting),
}

/// What is done for direct routing.
#[derive(Args, Debug)]
pub(crate) struct DirectRouting {
    /// What to do.
    #[arg(value_enum, default_value = "print")]
    pub(crate) action: Action,
    /// A virtual address; may be repeated.
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1, value_parser = parse_virtual)]
    pub(crate) address: Vec<IpAddr>,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// What to do for direct routing.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Action {
    /// Show the commands that do the same.
    Print,
    /// Do what is not done yet.
    Apply,
    /// Say what is missing; exit code 1 when something is.
    Verify,
    /// Undo what `apply` did for these addresses.
    Undo,
}

/// Which agent is asked.
#[derive(Args, Debug)]
pub(crate) struct Where {
    /// Its state folder.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

impl Where {
    /// The folder.
    pub(crate) fn folder(self) -> PathBuf {
        self.state.unwrap_or_else(state::default_folder)
    }
}

/// What the agent is started with.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// A balancer to report to; may be repeated. Without a port: 1934.
    #[arg(long, value_name = "HOST[:PORT]")]
    target: Vec<TargetAddress>,
    /// A file of balancers: a line host,port,key for each, and # comments.
    #[arg(long, value_name = "FILE")]
    targets_file: Option<PathBuf>,
    /// The file with the cluster's key; the first key in it is used.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The cluster's key itself.
    #[arg(long, value_name = "KEY", env = "WEIR_KEY", hide_env_values = true, hide = true)]
    key: Option<String>,
    /// What clients are to call this edge: a name or an address.
    #[arg(long, value_name = "HOST")]
    redirect_address: Option<String>,
    /// What this edge serves on which port, such as rtmp://:1935; may be repeated.
    #[arg(long, value_name = "SCHEME://[HOST]:PORT")]
    endpoint: Vec<Endpoint>,
    /// Where the load comes from: `system`, or `nginx-rtmp=URL` of its statistics page; may be repeated. Default: system.
    #[arg(long, value_name = "PROBE")]
    probe: Vec<String>,
    /// A port whose connections the system probe counts; may be repeated. Default: those of the endpoints, or 1935.
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// The network interface whose rates are reported. Default: all but the loopback.
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// The time between two reports, 100 ms to 1 h.
    #[arg(long, value_name = "DURATION", default_value = "2.5s", value_parser = parse_interval)]
    interval: Duration,
    /// The zone that this edge is in.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    zone: Option<String>,
    /// A label of this edge; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    tag: Vec<String>,
    /// This edge's share of clients relative to other edges. Default: 1.
    #[arg(long, value_name = "NUMBER", value_parser = parse_weight)]
    weight: Option<f32>,
    /// Most client connections that this edge can carry.
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<u64>,
    /// The folder for this edge's GUID.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// The file with this edge's GUID. Default: guid in the state folder.
    #[arg(long, value_name = "FILE")]
    guid_file: Option<PathBuf>,
}

impl Run {
    /// What is asked for, checked; or one line that says what is wrong.
    pub(crate) fn config(self) -> Result<Config, String> {
        let redirect = self.redirect_address;
        if let Some(Err(error)) = redirect.as_deref().map(Host::new) {
            return Err(format!("--redirect-address: {error}"));
        }
        let state_folder = self.state.unwrap_or_else(state::default_folder);
        let guid_file = self.guid_file.unwrap_or_else(|| state_folder.join("guid"));
        let common = common_key(self.key_file.as_deref(), self.key.as_deref())?;
        let mut lines: Vec<targets::Line> =
            self.target.into_iter().map(|address| targets::Line { address, key: None }).collect();
        if let Some(file) = &self.targets_file {
            let text =
                fs::read_to_string(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
            let at_line = |(line, error)| format!("{}:{line}: {error}", file.display());
            lines.extend(targets::parse_file(&text).map_err(at_line)?);
        }
        if lines.is_empty() {
            return Err("no balancer to report to: name one with --target HOST:1934 or --targets-file".to_owned());
        }
        let edge = identity::load(&guid_file).map_err(|error| error.to_string())?;
        let with_key = |line: targets::Line| {
            let key = line.key.as_ref().or(common.as_ref());
            let key = key.ok_or_else(|| {
                format!("no key for {}: give --key-file FILE, with the key that the balancer made", line.address)
            })?;
            Ok(Target { address: line.address, key: edge_key(key, edge)? })
        };
        let targets = lines.into_iter().map(with_key).collect::<Result<_, String>>()?;
        let ports = match (&self.port[..], &self.endpoint[..]) {
            ([], []) => vec![DEFAULT_PORT],
            ([], endpoints) => endpoints.iter().map(|endpoint| endpoint.port).collect(),
            (ports, _) => ports.to_vec(),
        };
        let config = Config {
            edge,
            targets,
            redirect,
            probes: probes(&self.probe, ports, self.interface.as_deref())?,
            endpoints: at_most(report::MAX_ENDPOINTS, "--endpoint", self.endpoint)?,
            interval: self.interval,
            zone: self.zone,
            tags: at_most(report::MAX_TAGS, "--tag", self.tag)?,
            weight: self.weight,
            capacity: Capacity { connections: self.max_connections, bits_per_second: None },
            state_folder: Some(state_folder),
        };
        config.check().map_err(|error| format!("--endpoint, --tag, --zone: {error}"))?;
        Ok(config)
    }
}

fn common_key(file: Option<&Path>, key: Option<&str>) -> Result<Option<WrittenKey>, String> {
    match (file, key) {
        (Some(file), _) => {
            let keys = keys::read(file).map_err(|error| error.to_string())?;
            Ok(keys.into_iter().next())
        }
        (None, Some(key)) => key.parse().map(Some).map_err(|error| format!("WEIR_KEY: {error}")),
        (None, None) => Ok(None),
    }
}

/// What this edge seals with.
fn edge_key(key: &WrittenKey, edge: EdgeId) -> Result<EdgeKey, String> {
    match key {
        WrittenKey::Secret(secret) => Ok(secret.edge_key(edge)),
        WrittenKey::Passphrase(secret) => {
            warn!("{}", keys::PASSPHRASE_WARNING);
            Ok(secret.edge_key(edge))
        }
        WrittenKey::Edge(owner, key) if *owner == edge => Ok(key.clone()),
        WrittenKey::Edge(owner, _) => Err(format!(
            "the key is that of edge {owner}, and this is edge {edge}: print one with `weir-balancer keygen --edge {edge}`"
        )),
    }
}

/// The probes that were named. Where a media server is asked for its connections the kernel is asked for the rest only:
/// what it counts is something else, and must not stand in for a media server that does not answer.
fn probes(names: &[String], ports: Vec<u16>, interface: Option<&str>) -> Result<Vec<Box<dyn Probe>>, String> {
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    let mut system_ports = ports;
    for name in names {
        match name.split_once('=') {
            Some(("nginx-rtmp", url)) => {
                probes.push(Box::new(NginxRtmp::new(url).map_err(|error| format!("--probe {name}: {error}"))?));
                system_ports.clear();
            }
            None if name == "system" => {}
            _ => return Err(format!("--probe {name}: unknown; expected system or nginx-rtmp=URL")),
        }
    }
    let system = System::new(system_ports, interface.map(str::to_owned));
    probes.push(Box::new(system.map_err(|error| format!("--probe system: {error}"))?));
    Ok(probes)
}

fn at_most<T>(limit: usize, option: &str, values: Vec<T>) -> Result<Vec<T>, String> {
    if values.len() > limit { Err(format!("{option}: at most {limit} fit into a report")) } else { Ok(values) }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = units::parse_duration(text)?;
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    if range.contains(&interval) { Ok(interval) } else { Err("out of range: expected 100ms to 1h".to_owned()) }
}

fn parse_virtual(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "expected an address without a port or prefix".to_owned())?;
    let is_usable = !address.is_loopback() && !address.is_unspecified() && !address.is_multicast();
    if is_usable { Ok(address) } else { Err("this is no address that clients can reach".to_owned()) }
}

fn parse_name(text: &str) -> Result<String, String> {
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.is_empty() || text.len() > report::MAX_NAME_LENGTH || !text.bytes().all(printable) {
        return Err(format!("expected 1 to {} printable ASCII characters", report::MAX_NAME_LENGTH));
    }
    Ok(text.to_owned())
}

fn parse_weight(text: &str) -> Result<f32, String> {
    let weight = text.parse().ok().filter(|weight: &f32| weight.is_finite() && *weight > 0.0);
    weight.ok_or_else(|| "expected a number greater than 0".to_owned())
}
