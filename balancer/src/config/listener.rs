//! `[[listener]]`: where clients come in.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::config::address::ListenAddress;
use crate::fleet::{Protocol, Scheme};

/// One TCP port for clients. May be repeated; without any there is one with the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Where to listen. Default: `"*:1935"`.
    pub address: ListenAddress,
    /// What may be spoken there: any of `"http"`, `"rtmp"`, `"rtsp"`; the first bytes of a connection tell which it is.
    /// Default: all.
    #[serde(deserialize_with = "protocols")]
    pub protocols: Vec<Protocol>,
    /// The scheme that clients who came in here are redirected to, such as `"https"`, where the edge advertises nothing:
    /// for a listener behind something that takes the TLS off. Default: the one that the client used.
    #[serde(deserialize_with = "scheme")]
    pub redirect_scheme: Option<Scheme>,
    /// The port that clients who came in here are redirected to, where the edge advertises nothing. Default: the one
    /// that the client used.
    pub redirect_port: Option<u16>,
}

impl Default for Listener {
    fn default() -> Self {
        Self::at(ListenAddress::any(1935))
    }
}

impl Listener {
    /// A listener for every protocol.
    #[must_use]
    pub fn at(address: ListenAddress) -> Self {
        Self { address, protocols: Protocol::ALL.to_vec(), redirect_scheme: None, redirect_port: None }
    }
}

fn protocols<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Protocol>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(D::Error::custom("a listener without protocols serves nobody: name one, or leave the key out"));
    }
    names.iter().map(|name| parse_protocol(name).map_err(D::Error::custom)).collect()
}

/// The protocol of this name.
pub(super) fn parse_protocol(name: &str) -> Result<Protocol, String> {
    Protocol::named(name).ok_or_else(|| format!("`{name}` is not a protocol: expected one of `http`, `rtmp`, `rtsp`"))
}

/// A scheme that clients can be redirected to.
pub(super) fn scheme<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scheme>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Scheme::named(&name).map(Some).ok_or_else(|| {
        let known: Vec<&str> = Protocol::ALL.iter().flat_map(|protocol| protocol.schemes()).copied().collect();
        D::Error::custom(format_args!("`{name}` is not a scheme: expected one of {}", known.join(", ")))
    })
}
