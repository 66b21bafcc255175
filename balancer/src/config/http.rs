//! `[http]`: what is answered over HTTP.

use serde::Deserialize;

/// What is answered over HTTP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Who may see the pool with `?serverInfoXML`: `"private"` for loopback and private addresses, `"everyone"`, or
    /// `"off"`. Others get the plain answer, as if they had not asked. Default: `"private"`.
    pub server_info: ServerInfo,
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
