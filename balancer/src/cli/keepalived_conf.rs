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
    /// The configuration file, the same on both directors.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which of the two directors: the first has the addresses while both are fit.
    #[arg(long, value_enum)]
    director: Director,
    /// The interface on which the directors hear each other, and that has the addresses. Default: `sync_interface` of
    /// [kernel.directors].
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// The interface of an address that has another one; may be repeated.
    #[arg(long, value_name = "ADDRESS=NAME", value_parser = parse_place)]
    on: Vec<(IpAddr, String)>,
}

/// One of two directors.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Director {
    First,
    Second,
}

/// Prints `keepalived.conf` of one director.
pub(super) fn run(arguments: &KeepalivedConf) -> Outcome {
    let file = &arguments.config;
    let wrong = |message: &str| Failure::configuration(format_args!("{}: {message}", file.display()));
    let kernel = Config::read(file).map_err(Failure::configuration)?.kernel;
    let kernel = kernel.ok_or_else(|| wrong("there is no [[kernel.service]], and no address to move: add one"))?;
    let addresses = kernel.virtual_addresses().into_iter().collect();
    let pair = kernel.directors.ok_or_else(|| {
        wrong(
            "there is no [kernel.directors], without which Weir neither tells keepalived anything nor hears it: add it",
        )
    })?;
    let Directors { track_file, notify_fifo, sync_interface, sync_id, .. } = pair;
    let interface = arguments.interface.clone().or(sync_interface.map(|name| name.to_string())).ok_or_else(|| {
        wrong("no interface for the addresses: give --interface, or `sync_interface` in [kernel.directors]")
    })?;
    let elsewhere = arguments.on.iter().cloned().collect();
    let pair = Pair { addresses, interface, elsewhere, id: sync_id, track_file, notify_fifo };
    let director = match arguments.director {
        Director::First => keepalived::Director::First,
        Director::Second => keepalived::Director::Second,
    };
    let configuration = pair.configuration(director).map_err(|error| wrong(&error.to_string()))?;
    std::io::stdout().write_all(configuration.as_bytes()).map_err(Failure::unavailable)
}

fn parse_place(text: &str) -> Result<(IpAddr, String), String> {
    let place = text.split_once('=').and_then(|(address, name)| Some((address.parse().ok()?, name.to_owned())));
    place.ok_or_else(|| "expected ADDRESS=INTERFACE, such as 192.0.2.10=eth1".to_owned())
}
