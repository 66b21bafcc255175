//! `[[listener]]`: where clients come in.

use std::num::NonZeroU16;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use weir_fleet::{Protocol, Scheme};
use weir_program::config::address::ListenAddress;

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
    /// Networks of proxies whose connections begin with a PROXY protocol header, version 1 or 2, such as
    /// `["10.0.0.0/8"]`: it says who the client is. From these addresses it must be there, and from others it is not
    /// understood, or anybody could pretend to be anybody. Default: none.
    pub proxy_protocol_from: Vec<IpNet>,
    /// The scheme that clients who came in here are redirected to, such as `"https"`, where the edge advertises nothing:
    /// for a listener behind something that takes the TLS off. Default: the one that the client used.
    #[serde(deserialize_with = "scheme")]
    pub redirect_scheme: Option<Scheme>,
    /// The port that clients who came in here are redirected to, where the edge advertises nothing. Default: the one
    /// that the client used.
    pub redirect_port: Option<u16>,
    /// The port of edges that every connection is relayed to, 1 to 65535, whatever is spoken there: to this port of the
    /// least loaded edge, at once, so that the edge may speak first. For Icecast and any other protocol over TCP that
    /// Weir does not know. Nothing is looked at, so that of the other keys only `address` and `proxy_protocol_from` mean
    /// anything here. Default: none, and the first bytes of a client say what is done for it.
    #[serde(deserialize_with = "relay_port")]
    pub relay_port: Option<NonZeroU16>,
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
        Self {
            address,
            protocols: Protocol::ALL.to_vec(),
            redirect_scheme: None,
            redirect_port: None,
            proxy_protocol_from: Vec::new(),
            relay_port: None,
        }
    }
}

fn relay_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU16>, D::Error> {
    let port = u16::deserialize(deserializer)?;
    NonZeroU16::new(port).map(Some).ok_or_else(|| D::Error::custom("out of range: expected 1 to 65535"))
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
