//! The command line of `weir-balancer`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir_balancer::Config;
use weir_balancer::config::Listener;
use weir_balancer::config::address::ListenAddress;
use weir_balancer::ipvs::dry_run;
use weir_program::Failure;
use weir_protocol::EdgeId;

use crate::check_server::CheckServer;

/// Sends each streaming client to the least loaded edge.
///
/// Without a command it runs: clients on TCP port 1935 (HTTP, RTMP and RTSP), reports of edges on UDP port 1934,
/// health and metrics on 127.0.0.1:8086. Nothing needs to be configured.
#[derive(Debug, Parser)]
#[command(name = "weir-balancer", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a balancer and three edges with simulated load in one process, to see what it does.
    Demo(Demo),
    /// Check a configuration file and say what is wrong with it.
    CheckConfig {
        /// The configuration file.
        file: PathBuf,
    },
    /// Print a new key for a cluster, or the key of one edge.
    Keygen(Keygen),
    /// Read a multivariant HLS playlist from standard input, and print it with the tag that has players ask this balancer
    /// from where to play.
    AddSteering(AddSteering),
    /// Ask one server once whether it works, as the checks of kernel mode do. Exit code 0 when it does, 1 when not.
    CheckServer(CheckServer),
    /// Print the sections of kernel mode that say what a configuration of ldirectord says.
    ImportLdirectord(Import),
    /// Print the sections of kernel mode that say what the virtual servers of keepalived's configuration say.
    ImportKeepalived(Import),
    /// Print keepalived's configuration for one of two directors, which moves the virtual addresses of all services.
    KeepalivedConf(KeepalivedConf),
    /// Look for what keeps kernel mode from working on this machine, and say what to do; exit code 1 when there is something.
    Doctor {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// What can be given on the command line wins over the configuration file.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
    /// The folder for what must survive a restart.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// The file with the cluster's keys, one a line.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print what the kernel would be told for the services of the configuration, as `nft -f` and `ipvsadm -R` take it, and
    /// end. With `=nft` or `=ipvsadm` only that.
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub(crate) dry_run: Option<Part>,
}

/// What a dry run prints.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Part {
    /// Both, each under a heading.
    All,
    /// The table that marks packets.
    Nft,
    /// Services and servers.
    Ipvsadm,
}

impl From<Part> for dry_run::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::All => Self::All,
            Part::Nft => Self::Nft,
            Part::Ipvsadm => Self::Ipvsadm,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Keygen {
    /// Print the key of the edge with this GUID: with it the edge cannot speak for another.
    #[arg(long, value_name = "GUID")]
    pub(crate) edge: Option<EdgeId>,
    /// The file with the cluster's key that it follows from. Default: key in the state folder.
    #[arg(long, value_name = "FILE", requires = "edge")]
    key_file: Option<PathBuf>,
    /// The balancer's state folder.
    #[arg(long, value_name = "FOLDER", requires = "edge")]
    state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file, such as /etc/ha.d/ldirectord.cf or /etc/keepalived/keepalived.conf.
    pub(crate) file: PathBuf,
    /// A file with the rules of iptables that set the marks, as commands or as iptables-save prints them.
    #[arg(long, value_name = "FILE")]
    pub(crate) marks: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct KeepalivedConf {
    /// The configuration file, the same on both directors.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Which of the two directors: the first has the addresses while both are fit.
    #[arg(long, value_enum)]
    pub(crate) director: Director,
    /// The interface on which the directors hear each other, and that has the addresses. Default: `sync_interface` of
    /// [kernel.directors].
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// The interface of an address that has another one; may be repeated.
    #[arg(long, value_name = "ADDRESS=NAME", value_parser = parse_place)]
    pub(crate) on: Vec<(IpAddr, String)>,
}

/// One of two directors.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Director {
    First,
    Second,
}

#[derive(Args, Debug)]
pub(crate) struct AddSteering {
    /// Where players ask: /steering/hls at the balancer, such as https://lb.example.com/steering/hls.
    #[arg(long, value_name = "URL")]
    pub(crate) server_uri: String,
    /// The GUID of the edge that the playlist is on. Default: the playlist is on no edge, or on an unknown one.
    #[arg(long, value_name = "ID")]
    pub(crate) pathway: Option<String>,
}

impl Keygen {
    /// The file with the cluster's key.
    pub(crate) fn key_file(&self) -> PathBuf {
        let in_state = || self.state.clone().unwrap_or_else(weir_program::state::default_folder).join("key");
        self.key_file.clone().unwrap_or_else(in_state)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) addresses: Addresses,
}

#[derive(Args, Debug)]
pub(crate) struct Addresses {
    /// Where clients come in, over TCP; may be repeated. `*:PORT` is every address of this machine.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<ListenAddress>,
    /// Where edges report to, over UDP.
    #[arg(long, value_name = "HOST:PORT")]
    reports: Option<ListenAddress>,
    /// Where health and metrics are, over TCP.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<ListenAddress>,
}

impl Run {
    /// The configuration, with what the command line says.
    pub(crate) fn config(self) -> Result<Config, Failure> {
        let read = self.config.as_deref().map(Config::read).transpose();
        let mut config = read.map_err(Failure::configuration)?.unwrap_or_default();
        self.addresses.apply(&mut config);
        config.state = self.state.or(config.state);
        config.reports.key_file = self.key_file.or(config.reports.key_file);
        if config.listens_for_nobody() {
            return Err(Failure::configuration("--listen and `only` in [kernel] contradict: take one of them out"));
        }
        Ok(config)
    }
}

impl Addresses {
    /// Writes what was given into `config`.
    pub(crate) fn apply(self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.listeners = self.listen.into_iter().map(Listener::at).collect();
        }
        config.reports.address = self.reports.unwrap_or(config.reports.address);
        config.admin.address = self.admin.unwrap_or(config.admin.address);
    }
}

fn parse_place(text: &str) -> Result<(IpAddr, String), String> {
    let place = text.split_once('=').and_then(|(address, name)| Some((address.parse().ok()?, name.to_owned())));
    place.ok_or_else(|| "expected ADDRESS=INTERFACE, such as 192.0.2.10=eth1".to_owned())
}
