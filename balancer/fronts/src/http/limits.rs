//! How much an HTTP client may send.

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

/// Bounds on what an HTTP client may make us hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest head (request line and headers) in bytes: 1024 to 1048576. Signed URLs and cookies take a few thousand.
    /// Default: 16384. Heads up to 8192 bytes are taken in any case after the first of a connection.
    #[serde(deserialize_with = "values::within::<_, 1024, 1_048_576>")]
    pub head: usize,
    /// Longest body in bytes that is read of a request whose answer depends on it, 0 to 1048576: of OBS's, which asks for
    /// its configuration with some 2000 bytes. No other body is read. Default: 65536.
    #[serde(deserialize_with = "values::within::<_, 0, 1_048_576>")]
    pub body: usize,
    /// Most requests of one HTTP/2 connection at a time, 1 to 1000. A web player has a few under way. Default: 100.
    #[serde(deserialize_with = "streams")]
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 * 1024, body: 64 * 1024, streams: 100 }
    }
}

fn streams<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    // Within the range of both.
    values::within::<_, 1, 1000>(deserializer).map(|streams| streams as u32)
}
