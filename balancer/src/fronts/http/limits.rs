//! How much an HTTP client may send.

use serde::Deserialize;

use crate::config::units;

/// Bounds on what an HTTP client may make us hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest head (request line and headers) in bytes: 1024 to 1048576. Signed URLs and cookies take a few thousand.
    /// Default: 16384. Heads up to 8192 bytes are taken in any case after the first of a connection.
    #[serde(deserialize_with = "units::within::<_, 1024, 1_048_576>")]
    pub head: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 * 1024 }
    }
}
