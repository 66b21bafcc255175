//! `weir-balancer keepalived-conf`.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use weir_balancer::Config;
use weir_kernel::keepalived::{self, Pair};
use weir_kernel::settings::Directors;
use weir_program::{Failure, Outcome};

#[derive(Args, Debug)]
pub(super) struct KeepalivedConf {
    /// Configuration file, the same on both directors.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Director that gets the configuration. The first one has the virtual addresses while both are healthy.
    #[arg(long, value_enum)]
    director: Director,
    /// Interface for VRRP advertisements and the virtual addresses. Default: `sync_interface` of [kernel.directors].
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Interface of an address that is on another one. May be repeated.
    #[arg(long, value_name = "ADDRESS=NAME", value_parser = parse_interface)]
    on: Vec<(IpAddr, String)>,
}

/// A director of the pair.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Director {
    First,
    Second,
}

/// Prints `keepalived.conf` of a director.
pub(super) fn run(arguments: &KeepalivedConf) -> Outcome {
    let file = &arguments.config;
    let invalid = |message: &str| Failure::configuration(format_args!("{}: {message}", file.display()));
    let kernel = Config::read(file).map_err(Failure::configuration)?.kernel;
    let kernel = kernel.ok_or_else(|| invalid("no virtual addresses; add a [[kernel.service]]"))?;
    let addresses = kernel.virtual_addresses().into_iter().collect();
    let no_directors = "no [kernel.directors]; add it, so that Weir and keepalived report their states to each other";
    let directors = kernel.directors.ok_or_else(|| invalid(no_directors))?;
    let Directors { track_file, notify_fifo, sync_interface, sync_id, .. } = directors;
    let interface = arguments.interface.clone().or(sync_interface.map(|name| name.to_string())).ok_or_else(|| {
        invalid("no interface for the addresses; give --interface, or set `sync_interface` in [kernel.directors]")
    })?;
    let interfaces = arguments.on.iter().cloned().collect();
    let pair = Pair { addresses, interface, interfaces, id: sync_id, track_file, notify_fifo };
    let director = match arguments.director {
        Director::First => keepalived::Director::First,
        Director::Second => keepalived::Director::Second,
    };
    let configuration = pair.configuration(director).map_err(|error| invalid(&error.to_string()))?;
    std::io::stdout().write_all(configuration.as_bytes()).map_err(Failure::unavailable)
}

fn parse_interface(text: &str) -> Result<(IpAddr, String), String> {
    let parsed = text.split_once('=').and_then(|(address, name)| Some((address.parse().ok()?, name.to_owned())));
    parsed.ok_or_else(|| "expected ADDRESS=INTERFACE, such as 192.0.2.10=eth1".to_owned())
}
