//! `[kernel.directors]`: this director is one of two.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use weir_program::config::values;

use crate::model::Name;

/// This director is one of two, between which keepalived moves the virtual addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Directors {
    /// The file that keepalived reads by `track_file`: 0 when this director is fit, -100 for a planned hand-over, -254 when
    /// it is unfit. Default: `"/run/weir/track"`.
    pub track_file: PathBuf,
    /// The named pipe that keepalived's `vrrp_notify_fifo` writes to. Default: `"/run/weir/notify"`.
    pub notify_fifo: PathBuf,
    /// The interface by which the two exchange connections, 1 to 15 characters. Default: connections are not exchanged.
    #[serde(deserialize_with = "interface")]
    pub sync_interface: Option<Name>,
    /// What the two are known to each other by, 1 to 255; other pairs on the same network need others. Default: 51.
    #[serde(deserialize_with = "values::within_u32::<_, 1, 255>")]
    pub sync_id: u32,
    /// Longest that this director goes on serving when it ends with another `on_exit` than `"keep"`, until the other one
    /// has taken over, `"0s"` to `"60s"`; what stops Weir must wait for longer. Default: `"15s"`: keepalived, as it is
    /// configured for the pair, takes 9 s and a bit.
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
    text.parse().map(Some).map_err(|error| D::Error::custom(format_args!("`{text}` is no interface: {error}")))
}
