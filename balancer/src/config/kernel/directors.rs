//! `[kernel.directors]`: this director is one of two.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::values;
use crate::config::units;
use crate::ipvs::model::Name;

/// This director is one of two, between which keepalived moves the virtual addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directors {
    /// The file that keepalived reads by `track_file`: 0 when this director is fit, -100 for a planned hand-over, -254 when
    /// it is unfit. Default: `"/run/weir/track"`.
    #[serde(default = "track_file")]
    pub track_file: PathBuf,
    /// The named pipe that keepalived's `vrrp_notify_fifo` writes to. Default: `"/run/weir/notify"`.
    #[serde(default = "notify_fifo")]
    pub notify_fifo: PathBuf,
    /// The interface by which the two exchange connections, 1 to 15 characters. Default: connections are not exchanged.
    #[serde(default, deserialize_with = "values::interface")]
    pub sync_interface: Option<Name>,
    /// What the two are known to each other by, 1 to 255; other pairs on the same network need others. Default: 51.
    #[serde(default = "sync_id", deserialize_with = "values::sync_id")]
    pub sync_id: u32,
    /// Longest that this director goes on serving when it ends with another `on_exit` than `"keep"`, until the other one
    /// has taken over, `"0s"` to `"60s"`; what stops Weir must wait for longer. Default: `"15s"`: keepalived, as it is
    /// configured for the pair, takes 9 s and a bit.
    #[serde(default = "hand_over", deserialize_with = "units::duration_within::<_, 0, 60_000>")]
    pub hand_over: Duration,
}

fn track_file() -> PathBuf {
    PathBuf::from("/run/weir/track")
}

fn notify_fifo() -> PathBuf {
    PathBuf::from("/run/weir/notify")
}

fn sync_id() -> u32 {
    51
}

fn hand_over() -> Duration {
    Duration::from_secs(15)
}
