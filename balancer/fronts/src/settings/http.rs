//! `[http]`: what is answered over HTTP.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use weir_program::config::values;

/// What is answered over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Who may see the pool with `?serverInfoXML`: `"private"` for loopback and private addresses, `"everyone"`, or
    /// `"off"`. Others get the plain answer, as if they had not asked. Default: `"private"`.
    pub server_info: ServerInfo,
    /// Paths under which every request is redirected to an edge, with the path kept whole, such as `["/live/", "/vod/"]`;
    /// each begins and ends with a slash, and `"/"` is everything. What the balancer answers itself is not redirected.
    /// Default: none, so that only `/redirect/APPLICATION/PATH` is.
    #[serde(deserialize_with = "prefixes")]
    pub prefixes: Vec<String>,
    /// After how long a player asks again where to play from (content steering), 1 second to 1 hour; parts of a second
    /// are rounded up. So long it takes at most until players leave an edge that drains, and each costs one request in
    /// that time. Default: `"10s"`, far less than the 300 seconds of players that are told nothing, and little beside
    /// what they ask edges for meanwhile.
    #[serde(deserialize_with = "values::duration_within::<_, 1000, 3_600_000>")]
    pub steering_ttl: Duration,
    /// What OBS is told to encode with, in kbit/s of video, when it asks for its configuration: 100 to 100000. OBS's own
    /// limit counts when it is lower. Default: 6000, which is common for 1080p.
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
            "`{wrong}` is not a prefix: expected the beginning of a path, from a slash to a slash, such as \"/live/\""
        ))),
    }
}

/// Who may see the pool.
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
