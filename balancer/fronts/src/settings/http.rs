//! `[http]`: HTTP responses.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use weir_program::config::values;

/// HTTP responses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Clients that may read the server information (`?serverInfoXML`, `?serverInfoJSON`), which lists every edge with
    /// its address and load. Other clients get the response without the parameter.
    ///
    /// Values: `"private"` (clients with a loopback, private or link-local address), `"everyone"`, `"off"`. Default:
    /// `"private"`.
    pub server_info: ServerInfo,
    /// Path prefixes that are redirected to an edge with the path unchanged, such as `["/live/", "/vod/"]`. Each begins
    /// and ends with a slash; `"/"` covers every path. Use them where the balancer takes the place of an edge and
    /// players keep their URLs. The paths that the balancer serves itself take precedence.
    ///
    /// Default: none; only `/redirect/APPLICATION/PATH` is redirected.
    #[serde(deserialize_with = "prefixes")]
    pub prefixes: Vec<String>,
    /// Interval at which players reload the content steering manifest (its `TTL`). Players leave an edge that drains or
    /// fails within this time, and each player sends one request per interval. A fraction of a second is rounded up.
    ///
    /// Range: `"1s"` to `"1h"`. Default: `"10s"`, far below the 300 seconds that players assume without a `TTL`, and
    /// few requests compared with those for segments.
    #[serde(deserialize_with = "values::duration_within::<_, 1000, 3_600_000>")]
    pub steering_ttl: Duration,
    /// Video bitrate, in kbit/s, in the response to OBS's `GetClientConfiguration`. A lower limit in OBS's own settings
    /// applies instead.
    ///
    /// Range: 100 to 100000. Default: 6000, which is common for 1080p.
    #[serde(deserialize_with = "values::within::<_, 100, 100_000>")]
    pub obs_bitrate: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            server_info: ServerInfo::default(),
            prefixes: Vec::new(),
            steering_ttl: Duration::from_secs(10),
            obs_bitrate: 6000,
        }
    }
}

fn prefixes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let prefixes = Vec::<String>::deserialize(deserializer)?;
    let is_clean = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    match prefixes
        .iter()
        .find(|prefix| !prefix.starts_with('/') || !prefix.ends_with('/') || !prefix.bytes().all(is_clean))
    {
        None => Ok(prefixes),
        Some(wrong) => Err(D::Error::custom(format_args!(
            "`{wrong}` is not a path prefix: expected a path that begins and ends with a slash, such as \"/live/\""
        ))),
    }
}

/// Clients that may read the server information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerInfo {
    /// Clients with a loopback, private or link-local address.
    #[default]
    Private,
    /// Every client.
    Everyone,
    /// No client.
    Off,
}
