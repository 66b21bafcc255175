//! Turns a host into a director or a real server, for each forwarding method.

use std::fmt;
use std::net::IpAddr;

use super::host::{Host, call};

/// Forwarding method of a director.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// NAT: the destination address becomes the server's, and replies return through the director.
    Nat,
    /// Direct routing: the packet is sent to the server unchanged. The server has the virtual address on loopback, and
    /// replies to the client directly.
    Direct,
    /// IP-in-IP tunnel. The server has the virtual address, and replies to the client directly.
    Ipip,
    /// Tunnel with generic UDP encapsulation, to port [`GUE`].
    Gue,
    /// Tunnel with generic routing encapsulation.
    Gre,
}

/// Port for generic UDP encapsulation.
pub const GUE: u16 = 6080;

impl Method {
    /// Its options for `ipvsadm`.
    #[must_use]
    pub fn ipvsadm_options(self) -> String {
        match self {
            Self::Nat => "--masquerading".to_owned(),
            Self::Direct => "--gatewaying".to_owned(),
            Self::Ipip => "--ipip".to_owned(),
            // Receivers drop UDP without a checksum over IPv6 (RFC 8200, section 8.1).
            Self::Gue => format!("--ipip --tun-type gue --tun-port {GUE} --tun-csum"),
            Self::Gre => "--ipip --tun-type gre".to_owned(),
        }
    }
}

/// The name in `/proc/net/ip_vs`.
impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nat => "Masq",
            Self::Direct => "Route",
            Self::Ipip | Self::Gue | Self::Gre => "Tunnel",
        })
    }
}

impl Host {
    /// Enables IP forwarding, which a director needs for NAT.
    pub fn enable_forwarding(&self) {
        self.set_sysctl("net/ipv4/ip_forward", "1");
        self.set_sysctl("net/ipv6/conf/all/forwarding", "1");
    }

    /// Adds a virtual address without answering ARP requests for it, as direct routing requires of a real server. For
    /// IPv6, the kernel never advertises addresses of loopback.
    pub fn add_hidden_address(&self, address: IpAddr) {
        self.suppress_arp();
        self.call(&format!("ip address add {} dev lo", host_prefix(address)));
    }

    /// Prepares a real server for packets to a virtual address that are forwarded by this method.
    pub fn become_real_server(&self, method: Method, address: IpAddr) {
        match (method, address.is_ipv4()) {
            (Method::Nat, _) => {}
            (Method::Direct, _) => self.add_hidden_address(address),
            (Method::Ipip, true) => self.terminate_tunnel("ipip", "tunl0", address),
            (Method::Ipip, false) => self.terminate_tunnel("ip6_tunnel", "ip6tnl0", address),
            (Method::Gre, true) => self.terminate_tunnel("ip_gre", "gre0", address),
            (Method::Gre, false) => self.terminate_tunnel("ip6_gre", "ip6gre0", address),
            // Decapsulation leaves a packet of the tunnel below.
            (Method::Gue, true) => {
                self.terminate_tunnel("ipip", "tunl0", address);
                call("modprobe fou");
                self.call(&format!("ip fou add port {GUE} gue"));
            }
            (Method::Gue, false) => {
                self.terminate_tunnel("ip6_tunnel", "ip6tnl0", address);
                call("modprobe fou6");
                self.call(&format!("ip -6 fou add port {GUE} gue"));
            }
        }
    }

    /// Loads the module, which creates the device on every host, and configures the device.
    fn terminate_tunnel(&self, module: &str, device: &str, address: IpAddr) {
        self.suppress_arp();
        call(&format!("modprobe {module}"));
        self.call(&format!("ip link set {device} up"));
        self.call(&format!("ip address add {} dev {device}", host_prefix(address)));
        if address.is_ipv4() {
            // The route to the client does not lead through the tunnel.
            self.set_sysctl("net/ipv4/conf/all/rp_filter", "0");
            self.set_sysctl(&format!("net/ipv4/conf/{device}/rp_filter"), "0");
        }
    }

    fn suppress_arp(&self) {
        self.set_sysctl("net/ipv4/conf/all/arp_ignore", "1");
        self.set_sysctl("net/ipv4/conf/all/arp_announce", "2");
    }
}

/// An address with the prefix length of a single host.
#[must_use]
pub fn host_prefix(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}
