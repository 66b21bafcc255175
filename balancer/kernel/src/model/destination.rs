//! Real servers: how packets get to them, and how many.

use std::fmt;
use std::net::IpAddr;

use weir_program::config::values::is_forwardable;

use super::Family;

/// Where a real server is; a service has no two with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// Its address.
    pub address: IpAddr,
    /// The port that packets are sent to; 0 to leave it as it is, the only one that makes sense behind a mark.
    pub port: u16,
}

impl Server {
    /// The server at this address, which is sent packets with the ports that they came with.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self { address, port: 0 }
    }

    /// Whether this is the address of a machine that packets can be sent on to. The kernel refuses all others but
    /// loopback's, which would be the director itself (`ip_vs_new_dest`), and those that mean another machine on each
    /// interface (`fe80::1`). The broadcast address of a network it knows alone.
    #[must_use]
    pub fn can_be_at(address: IpAddr) -> bool {
        is_forwardable(address)
    }

    /// The family of its address, which a tunnel lets differ from its service's.
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

/// A real server of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Its share of the new connections against the others'; 0 for none, up to [`Destination::HEAVIEST`].
    pub weight: u32,
    /// Connections above which it gets no more; 0 for no such limit.
    pub upper_threshold: u32,
    /// Connections below which it gets some again after that; 0 for three quarters of the upper. At most the upper.
    pub lower_threshold: u32,
}

impl Destination {
    /// What `ipvsadm` takes at most; with more, the products that schedulers compare would overflow.
    pub const HEAVIEST: u32 = 65535;

    /// A server without thresholds.
    #[must_use]
    pub fn new(forwarding: Forwarding, weight: u32) -> Self {
        Self { forwarding, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    /// Whether it gets new connections.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.weight > 0
    }
}

/// How packets get to a real server (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forwarding {
    /// With their destination's address rewritten; answers come back through the director.
    Masquerade,
    /// It is the director itself.
    Local,
    /// Inside other packets; answers go to the client directly.
    Tunnel(Encapsulation),
    /// Unchanged, to its link-layer address; answers go to the client directly.
    DirectRoute,
    /// What is only ever read: something that Weir does not know.
    Unknown {
        /// The method's number.
        method: u32,
        /// The number of the tunnel's type.
        tunnel_type: u8,
        /// The tunnel's port.
        tunnel_port: u16,
        /// The tunnel's flags.
        tunnel_flags: u16,
    },
}

/// What packets are packed into. All but the first need Linux 5.2 (GUE) or 5.3 (GRE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encapsulation {
    /// IP in IP (RFC 2003), or any of its kin for IPv6 (RFC 2473).
    Ipip,
    /// Generic UDP encapsulation (draft-ietf-intarea-gue).
    Gue {
        /// The UDP port that the server unpacks at; not 0.
        port: u16,
        /// Whether the packing has a checksum.
        checksum: Checksum,
    },
    /// Generic routing encapsulation (RFC 2784), with a checksum or without; [`Checksum::Remote`] is GUE's alone.
    Gre {
        /// Whether the packing has a checksum.
        checksum: Checksum,
    },
}

/// The checksum of the packing (`IP_VS_TUNNEL_ENCAP_FLAG_…`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checksum {
    /// None.
    #[default]
    None,
    /// Over all.
    Full,
    /// Left to the server to finish (remote checksum offload).
    Remote,
}
