//! Addresses to listen on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// An address to listen on: `HOST:PORT` with an IP address as host, or `*:PORT` for every address of the machine.
///
/// With port 0 the system chooses a free port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None` for every address of the machine, IPv6 and IPv4.
    host: Option<IpAddr>,
    port: u16,
}

impl ListenAddress {
    /// Every address of the machine, on this port.
    #[must_use]
    pub const fn any(port: u16) -> Self {
        Self { host: None, port }
    }

    /// The loopback address 127.0.0.1, on this port.
    #[must_use]
    pub const fn loopback(port: u16) -> Self {
        Self { host: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port }
    }

    /// Returns the socket addresses to try in turn. `*` is `[::]` first, which also accepts IPv4, and then `0.0.0.0`, for
    /// machines without IPv6.
    #[must_use]
    pub fn candidates(self) -> Vec<SocketAddr> {
        match self.host {
            Some(host) => vec![SocketAddr::new(host, self.port)],
            None => vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()],
        }
    }
}

/// The text is not an address to listen on.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an address: expected HOST:PORT, such as \"127.0.0.1:8086\" or \"*:1935\"")]
pub struct ParseAddressError(String);

impl FromStr for ListenAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let any = text.strip_prefix("*:").and_then(|port| port.parse().ok()).map(Self::any);
        let literal =
            || text.parse::<SocketAddr>().ok().map(|address| Self { host: Some(address.ip()), port: address.port() });
        any.or_else(literal).ok_or_else(|| ParseAddressError(text.to_owned()))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(host) => SocketAddr::new(host, self.port).fmt(f),
            None => write!(f, "*:{}", self.port),
        }
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
