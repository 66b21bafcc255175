//! `[kernel.directors]`: this director is one of a pair.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use weir_program::config::values;

use crate::model::Name;

/// This director is one of a pair, between which keepalived moves the virtual addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Directors {
    /// File that keepalived reads by `track_file`: 0 when this director is healthy, -100 for a planned hand-over, -254
    /// on a fault. Default: `"/run/weir/track"`.
    pub track_file: PathBuf,
    /// Named pipe to which keepalived's `vrrp_notify_fifo` writes. Default: `"/run/weir/notify"`.
    pub notify_fifo: PathBuf,
    /// Interface for connection synchronisation, 1 to 15 characters. Default: connections are not synchronised.
    #[serde(deserialize_with = "interface")]
    pub sync_interface: Option<Name>,
    /// Identifier of the pair, 1 to 255. Other pairs on the same network need other identifiers. Default: 51.
    #[serde(deserialize_with = "values::within_u32::<_, 1, 255>")]
    pub sync_id: u32,
    /// Maximum time that a stopping director waits for the other one to take over, `"0s"` to `"60s"`, unless `on_exit`
    /// is `"keep"`. The service manager's stop time-out must be longer. Default: `"15s"`; keepalived, as configured for
    /// the pair, takes a bit more than 9 s.
    #[serde(deserialize_with = "values::duration_within::<_, 0, 60_000>")]
    pub hand_over: Duration,
}

impl Default for Directors {
    fn default() -> Self {
        Self {
            track_file: PathBuf::from("/run/weir/track"),
            notify_fifo: PathBuf::from("/run/weir/notify"),
            sync_interface: None,
            sync_id: 51,
            hand_over: Duration::from_secs(15),
        }
    }
}

/// Reads the name of an interface.
fn interface<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Name>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = |error| D::Error::custom(format_args!("`{text}` is not a valid interface name; {error}"));
    text.parse().map(Some).map_err(invalid)
}
