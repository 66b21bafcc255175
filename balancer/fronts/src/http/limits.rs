//! `[limits.http]`: limits on what an HTTP client may send.

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

/// Limits on what an HTTP client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum length of a request's head (request line and headers) in bytes. Signed URLs and cookies take a few
    /// thousand. After the first request of a connection, heads up to 8192 bytes are accepted in any case.
    ///
    /// Range: 1024 to 1048576. Default: 16384.
    #[serde(deserialize_with = "values::within::<_, 1024, 1_048_576>")]
    pub head: usize,
    /// Maximum length of a request's body in bytes, if the response depends on it: OBS requests its configuration with
    /// about 2000 bytes. Other bodies are not read.
    ///
    /// Range: 0 to 1048576. Default: 65536.
    #[serde(deserialize_with = "values::within::<_, 0, 1_048_576>")]
    pub body: usize,
    /// Maximum number of concurrent requests on one HTTP/2 connection. A web player has a few in flight.
    ///
    /// Range: 1 to 1000. Default: 100.
    #[serde(deserialize_with = "streams")]
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 * 1024, body: 64 * 1024, streams: 100 }
    }
}

fn streams<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    // In the range of both types.
    values::within::<_, 1, 1000>(deserializer).map(|streams| streams as u32)
}
