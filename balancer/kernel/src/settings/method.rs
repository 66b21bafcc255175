//! Forwarding methods, as configured.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

use crate::model::Forwarding;

/// Forwarding method, as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Direct routing: packets go unchanged to the server's link-layer address. The server has the virtual address
    /// without announcing it by ARP, and replies to clients directly.
    #[default]
    Direct,
    /// NAT: the destination address is rewritten. Replies return through the director, which is the servers' router.
    Nat,
    /// IP-in-IP tunnel.
    Ipip,
    /// Tunnel with generic UDP encapsulation.
    Gue,
    /// Tunnel with generic routing encapsulation.
    Gre,
    /// The director itself is the server.
    Local,
}

impl Method {
    /// All methods, by their names in the configuration.
    pub const NAMES: [(&str, Self); 6] = [
        ("direct", Self::Direct),
        ("nat", Self::Nat),
        ("ipip", Self::Ipip),
        ("gue", Self::Gue),
        ("gre", Self::Gre),
        ("local", Self::Local),
    ];

    /// Name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        values::name_of(self, &Self::NAMES)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        values::named(deserializer, "a method", &Self::NAMES)
    }
}

/// A configured method with the kernel's forwarding methods for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardingMethod {
    /// The configured method.
    pub method: Method,
    /// Forwarding to IPv4 servers.
    pub ipv4: Forwarding,
    /// Forwarding to IPv6 servers.
    pub ipv6: Forwarding,
}

impl ForwardingMethod {
    /// Forwarding to the server at `address`.
    #[must_use]
    pub fn to(&self, address: IpAddr) -> Forwarding {
        if address.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}
