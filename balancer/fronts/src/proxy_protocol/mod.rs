//! The PROXY protocol: who a client is, said by a proxy ahead of the client's own bytes.
//!
//! Written as HAProxy's "The PROXY protocol, Versions 1 & 2" specifies it, and pure: bytes in, addresses out, and the other
//! way round.
//!
//! | module        | what it holds                                          |
//! |---------------|--------------------------------------------------------|
//! | [`v1`]        | the line of text (section 2.1)                         |
//! | [`v2`]        | the binary header (section 2.2)                        |
//! | [`mod@parse`] | either of them, out of the first bytes of a connection |

mod parse;
mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

pub use parse::{Invalid, MAX_LENGTH, Parsed, parse};
pub use v1::write as write_v1;
pub use v2::write as write_v2;

/// The two ends of a connection as the proxy saw it. An IPv4 address is never inside of an IPv6 one, and both are of the
/// same family when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

impl Addresses {
    /// The addresses and ports, of one family as both versions want them: IPv6's unless both are IPv4's.
    fn of_one_family(&self) -> (Family, [u16; 2]) {
        let ports = [self.source.port(), self.destination.port()];
        let family = match [self.source.ip().to_canonical(), self.destination.ip().to_canonical()] {
            [IpAddr::V4(source), IpAddr::V4(destination)] => Family::V4(source, destination),
            [source, destination] => Family::V6(in_ipv6(source), in_ipv6(destination)),
        };
        (family, ports)
    }
}

fn in_ipv6(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

enum Family {
    V4(std::net::Ipv4Addr, std::net::Ipv4Addr),
    V6(std::net::Ipv6Addr, std::net::Ipv6Addr),
}
