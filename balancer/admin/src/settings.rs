//! `[admin]`: the address for operators and monitoring.

use std::path::PathBuf;

use serde::Deserialize;
use weir_program::config::{ListenAddress, values};

/// The address for operators and monitoring: API, metrics and health checks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// TCP address to listen on, `HOST:PORT` or `*:PORT`. Health and metrics are served there without authentication, and
    /// the API without TLS: listen on other interfaces than the loopback only in a trusted network.
    /// Default: `"127.0.0.1:8086"`.
    pub address: ListenAddress,
    /// File with the operators' token for the API: one line of at least 16 characters without spaces. Default: `token` in
    /// the state folder, which is created with a random token at the first start.
    pub token_file: Option<PathBuf>,
    /// Maximum number of concurrent connections, 1 to 100000. Further connections are closed at once. Operators and
    /// monitoring need a handful; each takes a file descriptor that no client can have. Default: 128.
    #[serde(deserialize_with = "values::within::<_, 1, 100_000>")]
    pub connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { address: ListenAddress::loopback(8086), token_file: None, connections: 128 }
    }
}
