//! `weir-agent` without a command: the agent runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tracing::{info, warn};
use weir_edge_agent::probe::{self, ProbeSpec, kind};
use weir_edge_agent::targets::{self, TargetAddress};
use weir_edge_agent::{Config, Endpoint, Target, identity};
use weir_program::start::{Failure, Outcome, shutdown_signal};
use weir_program::{files, keys, state, units};
use weir_protocol::key::ParsedKey;
use weir_protocol::report::{self, Capacity};
use weir_protocol::{EdgeId, EdgeKey, Host, NameBuf};

/// The port whose connections are counted when neither ports nor endpoints are given.
const DEFAULT_PORT: u16 = 1935;

/// How the address of an edge starts in command lines that a balancer or the documentation shows for completion.
const PLACEHOLDER: &str = "ADDRESS_OF_";

#[derive(Args, Debug)]
pub(super) struct Run {
    /// Balancer to report to; may be repeated. The default port is 1934.
    #[arg(long, value_name = "HOST[:PORT]")]
    target: Vec<TargetAddress>,
    /// File of balancers: a line `host,port,key` for each; lines that start with # are comments.
    #[arg(long, value_name = "FILE")]
    targets_file: Option<PathBuf>,
    /// File with the key; the first key in it is used.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The key itself.
    #[arg(long, value_name = "KEY", env = "WEIR_KEY", hide_env_values = true, hide = true)]
    key: Option<String>,
    /// Host name or address that clients are redirected to [default: the source address of the reports].
    #[arg(long, value_name = "HOST")]
    redirect_address: Option<String>,
    /// Scheme and port that this edge serves, such as rtmp://:1935; may be repeated.
    #[arg(long, value_name = "SCHEME://[HOST]:PORT")]
    endpoint: Vec<Endpoint>,
    #[arg(long, value_name = "NAME[=ARGUMENT]", help = kind::short_help(), long_help = kind::long_help())]
    probe: Vec<ProbeSpec>,
    /// Local port whose connections the system probe counts; may be repeated [default: the ports of the endpoints, or
    /// 1935].
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// Network interface whose rates are reported [default: all but the loopback].
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Time between two reports, 100ms to 1h.
    #[arg(long, value_name = "DURATION", default_value = "2.5s", value_parser = parse_interval)]
    interval: Duration,
    /// Zone that this edge is in.
    #[arg(long, value_name = "NAME")]
    zone: Option<NameBuf>,
    /// Label of this edge; may be repeated.
    #[arg(long, value_name = "NAME")]
    tag: Vec<NameBuf>,
    /// Share of clients relative to other edges [default: 1].
    #[arg(long, value_name = "NUMBER", value_parser = parse_weight)]
    weight: Option<f32>,
    /// Maximum number of client connections; at this limit the edge accepts no new clients.
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<u64>,
    /// State folder, for the GUID, operators' commands and the control socket.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// File with the GUID of this edge [default: guid in the state folder].
    #[arg(long, value_name = "FILE")]
    guid_file: Option<PathBuf>,
}

/// Runs the agent until it is terminated.
pub(super) async fn run(arguments: Run) -> Outcome {
    let shutdown = shutdown_signal()?;
    let config = arguments.config().map_err(Failure::configuration)?;
    let targets: Vec<String> = config.targets.iter().map(|target| target.address.to_string()).collect();
    info!(
        edge = %config.edge,
        address = config.redirect.as_deref().map(tracing::field::display),
        targets = %targets.join(","),
        "agent started"
    );
    let shutdown = async {
        shutdown.await;
        info!("agent stopping; notifying balancers");
    };
    weir_edge_agent::run(config, shutdown).await.map_err(Failure::unavailable)
}

impl Run {
    /// Returns the validated settings, or one line that says what is wrong.
    fn config(self) -> Result<Config, String> {
        let redirect = self.redirect_address;
        if let Some(address) = redirect.as_deref() {
            let host = Host::new(address).map_err(|error| format!("--redirect-address: {error}"))?;
            if !host.is_destination() || address.starts_with(PLACEHOLDER) {
                return Err(format!(
                    "--redirect-address: clients cannot connect to {address}; give a host name or address of this edge"
                ));
            }
        }
        let state_folder = self.state.unwrap_or_else(state::default_folder);
        let guid_file = self.guid_file.unwrap_or_else(|| state_folder.join("guid"));
        let common = common_key(self.key_file.as_deref(), self.key.as_deref())?;
        let mut lines: Vec<targets::Line> =
            self.target.into_iter().map(|address| targets::Line { address, key: None }).collect();
        if let Some(file) = &self.targets_file {
            let text =
                files::read_text(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
            let at_line = |(line, error)| format!("{}:{line}: {error}", file.display());
            lines.extend(targets::parse_file(&text).map_err(at_line)?);
        }
        if lines.is_empty() {
            return Err("no balancer to report to; give --target HOST:1934 or --targets-file FILE".to_owned());
        }
        let edge = identity::load(&guid_file).map_err(|error| error.to_string())?;
        let with_key = |line: targets::Line| {
            let key = line.key.as_ref().or(common.as_ref());
            let key = key.ok_or_else(|| {
                format!("no key for {}; give --key-file FILE with the key that the balancer created", line.address)
            })?;
            Ok(Target { address: line.address, key: edge_key(key, edge)? })
        };
        let targets = lines.into_iter().map(with_key).collect::<Result<_, String>>()?;
        let ports = match (&self.port[..], &self.endpoint[..]) {
            ([], []) => vec![DEFAULT_PORT],
            ([], endpoints) => endpoints.iter().map(|endpoint| endpoint.port).collect(),
            (ports, _) => ports.to_vec(),
        };
        let options = probe::Options { ports, interface: self.interface };
        let config = Config {
            edge,
            targets,
            redirect,
            probes: kind::create_all(&self.probe, options).map_err(|error| error.to_string())?,
            endpoints: at_most(report::MAX_ENDPOINTS, "--endpoint", self.endpoint)?,
            interval: self.interval,
            zone: self.zone,
            tags: at_most(report::MAX_TAGS, "--tag", self.tag)?,
            weight: self.weight,
            capacity: Capacity::UNLIMITED.with_connections(self.max_connections),
            state_folder: Some(state_folder),
        };
        config.check().map_err(|error| format!("--endpoint, --tag, --zone: {error}"))?;
        Ok(config)
    }
}

fn common_key(file: Option<&Path>, key: Option<&str>) -> Result<Option<ParsedKey>, String> {
    match (file, key) {
        (Some(file), _) => {
            let keys = keys::read(file).map_err(|error| error.to_string())?;
            Ok(keys.into_iter().next())
        }
        (None, Some(key)) => key.parse().map(Some).map_err(|error| format!("WEIR_KEY: {error}")),
        (None, None) => Ok(None),
    }
}

/// Returns the key that seals the reports of this edge.
fn edge_key(key: &ParsedKey, edge: EdgeId) -> Result<EdgeKey, String> {
    match key {
        ParsedKey::Secret(secret) => Ok(secret.edge_key(edge)),
        ParsedKey::Passphrase(secret) => {
            warn!("{}", keys::PASSPHRASE_WARNING);
            Ok(secret.edge_key(edge))
        }
        ParsedKey::Edge(owner, key) if *owner == edge => Ok(key.clone()),
        ParsedKey::Edge(owner, _) => Err(format!(
            "the key belongs to edge {owner}, but this is edge {edge}; print its key with `weir-balancer keygen --edge {edge}`"
        )),
    }
}

fn at_most<T>(limit: usize, option: &str, values: Vec<T>) -> Result<Vec<T>, String> {
    if values.len() > limit { Err(format!("{option}: a report has room for {limit} at most")) } else { Ok(values) }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = units::parse_duration(text)?;
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    if range.contains(&interval) { Ok(interval) } else { Err("out of range: expected 100ms to 1h".to_owned()) }
}

fn parse_weight(text: &str) -> Result<f32, String> {
    let weight = text.parse().ok().filter(|weight: &f32| weight.is_finite() && *weight > 0.0);
    weight.ok_or_else(|| "expected a number greater than 0".to_owned())
}
