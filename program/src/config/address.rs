//! Addresses to listen on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// Where to listen: `HOST:PORT` with a literal address, or `*:PORT` for every address of the machine.
///
/// Port 0 lets the system choose a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address; `None` for all, IPv6 and IPv4 alike.
    host: Option<IpAddr>,
    port: u16,
}

impl ListenAddress {
    /// Every address of the machine, at this port.
    #[must_use]
    pub const fn any(port: u16) -> Self {
        Self { host: None, port }
    }

    /// Only this machine itself, at this port.
    #[must_use]
    pub const fn loopback(port: u16) -> Self {
        Self { host: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port }
    }

    /// The socket addresses to try in turn. For every address of the machine that is IPv6's first, which takes IPv4 too,
    /// and then IPv4's, for a machine whose kernel has no IPv6.
    #[must_use]
    pub fn candidates(self) -> Vec<SocketAddr> {
        match self.host {
            Some(host) => vec![SocketAddr::new(host, self.port)],
            None => vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()],
        }
    }
}

/// The text is no address to listen on.
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
