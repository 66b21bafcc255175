//! `[[listener]]`: where clients come in.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::config::address::ListenAddress;
use crate::fleet::Protocol;

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
        Self { address, protocols: Protocol::ALL.to_vec() }
    }
}

fn protocols<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Protocol>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(D::Error::custom("a listener without protocols serves nobody: name one, or leave the key out"));
    }
    let find = |name: &String| {
        Protocol::named(name).ok_or_else(|| {
            D::Error::custom(format_args!("`{name}` is not a protocol: expected one of `http`, `rtmp`, `rtsp`"))
        })
    };
    names.iter().map(find).collect()
}
