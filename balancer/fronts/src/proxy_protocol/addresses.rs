//! The two ends of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The two ends of a connection as the proxy sees it. When read from a header, both are of the same family, and neither
/// is an IPv4-mapped IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client's address.
    pub source: SocketAddr,
    /// The address that the client connected to.
    pub destination: SocketAddr,
}

/// Two addresses of one family, source first.
pub(super) enum Family {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// The addresses and ports in one family, as both versions require: IPv4 if both are, otherwise IPv6.
    pub(super) fn in_one_family(&self) -> (Family, [u16; 2]) {
        let ports = [self.source.port(), self.destination.port()];
        let family = match [self.source.ip().to_canonical(), self.destination.ip().to_canonical()] {
            [IpAddr::V4(source), IpAddr::V4(destination)] => Family::V4(source, destination),
            [source, destination] => Family::V6(to_ipv6(source), to_ipv6(destination)),
        };
        (family, ports)
    }
}

fn to_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
