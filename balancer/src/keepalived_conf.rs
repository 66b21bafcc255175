//! `weir-balancer keepalived-conf`.

use std::io::Write as _;

use weir_balancer::Config;
use weir_balancer::config::kernel::Directors;
use weir_balancer::ipvs::keepalived::{self, Pair};
use weir_program::{Failure, Outcome};

use crate::cli::{Director, KeepalivedConf};

/// Prints `keepalived.conf` of one director.
pub(crate) fn run(arguments: &KeepalivedConf) -> Outcome {
    let file = &arguments.config;
    let wrong = |message: &str| Failure::configuration(format_args!("{}: {message}", file.display()));
    let kernel = Config::read(file).map_err(Failure::configuration)?.kernel;
    let pair = kernel.directors.ok_or_else(|| {
        wrong(
            "there is no [kernel.directors], without which Weir neither tells keepalived anything nor hears it: add it",
        )
    })?;
    let Directors { track_file, notify_fifo, sync_interface, sync_id, .. } = pair;
    let interface = arguments.interface.clone().or(sync_interface.map(|name| name.to_string())).ok_or_else(|| {
        wrong("no interface for the addresses: give --interface, or `sync_interface` in [kernel.directors]")
    })?;
    let addresses = kernel.services.iter().flat_map(|service| service.get_ref().addresses.clone()).collect();
    let elsewhere = arguments.on.iter().cloned().collect();
    let pair = Pair { addresses, interface, elsewhere, id: sync_id, track_file, notify_fifo };
    let director = match arguments.director {
        Director::First => keepalived::Director::First,
        Director::Second => keepalived::Director::Second,
    };
    let configuration = pair.configuration(director).map_err(|error| wrong(&error.to_string()))?;
    std::io::stdout().write_all(configuration.as_bytes()).map_err(Failure::unavailable)
}
