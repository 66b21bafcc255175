//! `[admin]`: where operators and monitoring come in.

use std::path::PathBuf;

use serde::Deserialize;
use weir_program::config::{ListenAddress, values};

/// Where operators and monitoring come in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The TCP address for health and metrics. Default: `"127.0.0.1:8086"`, this machine only.
    pub address: ListenAddress,
    /// The file with the token that operators show for the API, at least 16 characters. Default: `token` in the state
    /// folder, made on the first start.
    pub token_file: Option<PathBuf>,
    /// Connections at a time, 1 to 100000; operators and monitoring need a handful. Default: 128.
    #[serde(deserialize_with = "values::within::<_, 1, 100_000>")]
    pub connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { address: ListenAddress::loopback(8086), token_file: None, connections: 128 }
    }
}
