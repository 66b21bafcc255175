//! What of the sections of kernel mode the commands need that only look at them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use weir_program::Failure;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    kernel: Kernel,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Kernel {
    pub(crate) directors: Directors,
    #[serde(rename = "service")]
    pub(crate) services: Vec<Service>,
}

#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Directors {
    pub(crate) track_file: PathBuf,
    pub(crate) notify_fifo: PathBuf,
    pub(crate) sync_interface: Option<String>,
    pub(crate) sync_id: u8,
}

impl Default for Directors {
    fn default() -> Self {
        let (track_file, notify_fifo) = ("/run/weir/track".into(), "/run/weir/notify".into());
        Self { track_file, notify_fifo, sync_interface: None, sync_id: 51 }
    }
}

#[derive(Deserialize)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
    #[serde(default)]
    pub(crate) tcp: Vec<String>,
    #[serde(default)]
    pub(crate) udp: Vec<String>,
    pub(crate) mark: Option<u32>,
    pub(crate) scheduler: Option<String>,
    pub(crate) method: Option<String>,
    #[serde(rename = "server", default)]
    pub(crate) servers: Vec<RealServer>,
}

#[derive(Deserialize)]
pub(crate) struct RealServer {
    pub(crate) address: IpAddr,
}

/// Reads the sections of a configuration file.
pub(crate) fn read(file: &Path) -> Result<Kernel, Failure> {
    let text = fs::read_to_string(file).map_err(|error| wrong(file, format_args!("cannot be read: {error}")))?;
    toml::from_str(&text).map(|File { kernel }| kernel).map_err(|error| wrong(file, error.message()))
}

/// What is wrong with a file.
pub(crate) fn wrong(file: &Path, message: impl std::fmt::Display) -> Failure {
    Failure::configuration(format_args!("{}: {message}", file.display()))
}
