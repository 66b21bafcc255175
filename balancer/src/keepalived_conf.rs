//! `weir-balancer keepalived-conf`.

use std::io::Write as _;

use weir_balancer::ipvs::keepalived::{self, Pair};
use weir_program::{Failure, Outcome};

use crate::cli::{Director, KeepalivedConf};
use crate::kernel_sections::{self, Directors, wrong};

/// Prints `keepalived.conf` of one director.
pub(crate) fn run(arguments: &KeepalivedConf) -> Outcome {
    let file = &arguments.config;
    let kernel = kernel_sections::read(file)?;
    let Directors { track_file, notify_fifo, sync_interface, sync_id } = kernel.directors;
    let interface = arguments.interface.clone().or(sync_interface).ok_or_else(|| {
        wrong(file, "no interface for the addresses: give --interface, or `sync_interface` in [kernel.directors]")
    })?;
    let addresses = kernel.services.into_iter().flat_map(|service| service.addresses).collect();
    let elsewhere = arguments.on.iter().cloned().collect();
    let pair = Pair { addresses, interface, elsewhere, id: sync_id, track_file, notify_fifo };
    let director = match arguments.director {
        Director::First => keepalived::Director::First,
        Director::Second => keepalived::Director::Second,
    };
    let configuration = pair.configuration(director).map_err(|error| wrong(file, error))?;
    std::io::stdout().write_all(configuration.as_bytes()).map_err(Failure::unavailable)
}
