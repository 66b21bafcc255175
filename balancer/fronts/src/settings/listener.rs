//! `[[listener]]`: the ports for clients.

use std::num::NonZeroU16;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use weir_fleet::{Protocol, Scheme};
use weir_program::config::address::ListenAddress;

/// A TCP port for clients. The section may be repeated; without any, there is one listener with the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// The address to listen on: `HOST:PORT`, or `*:PORT` for every address of the machine.
    ///
    /// Default: `"*:1935"`.
    pub address: ListenAddress,
    /// The protocols that are admitted, by their [names](Protocol::name), each in plain form and over TLS. The first
    /// bytes of a connection identify its protocol; a client with another protocol is rejected.
    ///
    /// Default: all.
    #[serde(deserialize_with = "protocols")]
    pub protocols: Vec<Protocol>,
    /// Networks of trusted proxies, such as `["10.0.0.0/8"]`. Each connection from them must begin with a PROXY
    /// protocol header, version 1 or 2, whose client address is used from then on. Connections from other addresses
    /// must not have one, or a client could claim any address.
    ///
    /// Default: none.
    pub proxy_protocol_from: Vec<IpNet>,
    /// The scheme that clients of this listener are redirected to, such as `"https"`, if the edge advertises no
    /// endpoint for their protocol. Set it where TLS is terminated in front of the balancer.
    ///
    /// Default: the scheme that the client used.
    #[serde(deserialize_with = "scheme")]
    pub redirect_scheme: Option<Scheme>,
    /// The port that clients of this listener are redirected to, if the edge advertises no endpoint for their protocol.
    ///
    /// Default: the port that the client used.
    pub redirect_port: Option<u16>,
    /// Relays every connection to this port of the least loaded edge, without inspecting it. The edge is connected to
    /// at once, so that it may send first. Use it for Icecast and other TCP protocols that Weir does not implement. Of
    /// the other keys, only `address` and `proxy_protocol_from` have an effect then.
    ///
    /// Range: 1 to 65535. Default: none; the protocol of each connection is detected.
    #[serde(deserialize_with = "relay_port")]
    pub relay_port: Option<NonZeroU16>,
}

impl Default for Listener {
    fn default() -> Self {
        Self::at(ListenAddress::any(1935))
    }
}

impl Listener {
    /// A listener with the defaults at this address.
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
        return Err(D::Error::custom("no protocols: name at least one, or omit the key to admit all"));
    }
    names.iter().map(|name| parse_protocol(name).map_err(D::Error::custom)).collect()
}

pub(super) fn parse_protocol(name: &str) -> Result<Protocol, String> {
    Protocol::named(name).ok_or_else(|| {
        let known = Protocol::ALL.map(|protocol| format!("`{}`", protocol.name()));
        format!("`{name}` is not a protocol: expected one of {}", known.join(", "))
    })
}

pub(super) fn scheme<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scheme>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Scheme::named(&name).map(Some).ok_or_else(|| {
        let known: Vec<&str> = Protocol::ALL.into_iter().flat_map(Protocol::schemes).map(Scheme::as_str).collect();
        D::Error::custom(format_args!("`{name}` is not a scheme: expected one of {}", known.join(", ")))
    })
}
