//! `weir-balancer keepalived-conf`.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use weir_balancer::ipvs::keepalived::{self, Pair};
use weir_program::{Failure, Outcome};

use crate::cli::{Director, KeepalivedConf};

/// What of a configuration matters here.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    kernel: Kernel,
}

#[derive(Default, Deserialize)]
struct Kernel {
    #[serde(default)]
    directors: Directors,
    #[serde(rename = "service", default)]
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Directors {
    track_file: PathBuf,
    notify_fifo: PathBuf,
    sync_interface: Option<String>,
    sync_id: u8,
}

impl Default for Directors {
    fn default() -> Self {
        let (track_file, notify_fifo) = ("/run/weir/track".into(), "/run/weir/notify".into());
        Self { track_file, notify_fifo, sync_interface: None, sync_id: 51 }
    }
}

/// Prints `keepalived.conf` of one director.
pub(crate) fn run(arguments: &KeepalivedConf) -> Outcome {
    let wrong = |message: &dyn std::fmt::Display| {
        Failure::configuration(format_args!("{}: {message}", arguments.config.display()))
    };
    let text =
        fs::read_to_string(&arguments.config).map_err(|error| wrong(&format_args!("cannot be read: {error}")))?;
    let Written { kernel } = toml::from_str(&text).map_err(|error| wrong(&error.message()))?;
    let Directors { track_file, notify_fifo, sync_interface, sync_id } = kernel.directors;
    let interface = arguments.interface.clone().or(sync_interface);
    let interface = interface.ok_or_else(|| {
        wrong(&"no interface for the addresses: give --interface, or `sync_interface` in [kernel.directors]")
    })?;
    let addresses = kernel.services.into_iter().flat_map(|service| service.addresses).collect();
    let pair = Pair { addresses, interface, id: sync_id, track_file, notify_fifo };
    let director = match arguments.director {
        Director::First => keepalived::Director::First,
        Director::Second => keepalived::Director::Second,
    };
    let configuration = pair.configuration(director).map_err(|error| wrong(&error))?;
    std::io::stdout().write_all(configuration.as_bytes()).map_err(Failure::unavailable)
}
