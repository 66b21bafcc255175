//! How packets get to a server.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

use crate::model::Forwarding;

/// How packets get to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// As they are, to its link-layer address. It holds the virtual address, silently, and answers by itself.
    #[default]
    Direct,
    /// With its address for the virtual one; answers come back through the director, which is its router.
    Nat,
    /// In other packets, IP in IP.
    Ipip,
    /// … by generic UDP encapsulation.
    Gue,
    /// … by generic routing encapsulation.
    Gre,
    /// The director itself takes them.
    Local,
}

impl Method {
    /// All, by the names that the configuration has for them.
    pub const NAMES: [(&str, Self); 6] = [
        ("direct", Self::Direct),
        ("nat", Self::Nat),
        ("ipip", Self::Ipip),
        ("gue", Self::Gue),
        ("gre", Self::Gre),
        ("local", Self::Local),
    ];

    /// The name that the configuration has for it.
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

/// A method, and how the kernel forwards by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardingMethod {
    /// The method.
    pub method: Method,
    /// How packets to IPv4 addresses are forwarded.
    pub four: Forwarding,
    /// How packets to IPv6 addresses are forwarded.
    pub six: Forwarding,
}

impl ForwardingMethod {
    /// How packets get to this address.
    #[must_use]
    pub fn to(&self, address: IpAddr) -> Forwarding {
        if address.is_ipv4() { self.four } else { self.six }
    }
}
