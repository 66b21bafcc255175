//! Real servers, which IPVS calls destinations: address, forwarding method, weight and thresholds.

use std::fmt;
use std::net::IpAddr;

use weir_program::config::values::is_forwardable;

use super::Family;

/// Address and port of a real server, by which a service identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// The server's address.
    pub address: IpAddr,
    /// Destination port of forwarded packets; 0 to keep the client's, the only useful value for services by mark.
    pub port: u16,
}

impl Server {
    /// A server that gets packets with their original destination port.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self { address, port: 0 }
    }

    /// Returns whether packets can be forwarded to the address. The kernel refuses all others except loopback
    /// addresses, which would be the director itself (`ip_vs_new_dest`), and link-local ones (`fe80::1`), which are
    /// ambiguous. Only the kernel knows which addresses are a network's broadcast address.
    #[must_use]
    pub fn can_be_at(address: IpAddr) -> bool {
        is_forwardable(address)
    }

    /// Address family of the server. With a tunnel, it can differ from the service's.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How a service uses a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// Forwarding method.
    pub forwarding: Forwarding,
    /// Share of new connections relative to the other servers, 0 to [`Destination::MAX_WEIGHT`]; 0 for none.
    pub weight: u32,
    /// Number of connections above which the server gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// Number of connections below which the server gets new ones again, at most `upper_threshold`; 0 for three
    /// quarters of that.
    pub lower_threshold: u32,
}

impl Destination {
    /// Maximum weight. `ipvsadm` accepts no more, since the products that schedulers compare would overflow.
    pub const MAX_WEIGHT: u32 = 65535;

    /// A destination without thresholds.
    #[must_use]
    pub fn new(forwarding: Forwarding, weight: u32) -> Self {
        Self { forwarding, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    /// Returns whether the server gets new connections.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.weight > 0
    }
}

/// Forwarding method (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forwarding {
    /// NAT: the destination address is rewritten, and replies return through the director.
    Masquerade,
    /// The director itself is the server.
    Local,
    /// Packets are encapsulated; the server replies to the client directly.
    Tunnel(Encapsulation),
    /// Packets are sent unchanged to the server's link-layer address; the server replies to the client directly.
    DirectRoute,
    /// A method that Weir does not know. It is read from the kernel and never set.
    Unknown {
        /// Number of the method.
        method: u32,
        /// Number of the tunnel's type.
        tunnel_type: u8,
        /// Port of the tunnel.
        tunnel_port: u16,
        /// Flags of the tunnel.
        tunnel_flags: u16,
    },
}

/// Encapsulation of a tunnel. GUE requires Linux 5.2, GRE Linux 5.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encapsulation {
    /// IP in IP (RFC 2003), or its variants for IPv6 (RFC 2473).
    Ipip,
    /// Generic UDP encapsulation (draft-ietf-intarea-gue).
    Gue {
        /// UDP port on which the server decapsulates; not 0.
        port: u16,
        /// Checksum of the outer packet.
        checksum: Checksum,
    },
    /// Generic routing encapsulation (RFC 2784). [`Checksum::Remote`] exists for GUE only.
    Gre {
        /// Checksum of the outer packet.
        checksum: Checksum,
    },
}

/// Checksum of the outer packet (`IP_VS_TUNNEL_ENCAP_FLAG_…`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checksum {
    /// No checksum.
    #[default]
    None,
    /// A checksum over the whole packet.
    Full,
    /// A checksum that the server completes (remote checksum offload).
    Remote,
}
