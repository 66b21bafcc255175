//! What makes a host a director or a real server, for each way of forwarding.

use std::fmt;
use std::net::IpAddr;

use super::host::{Host, call};

/// How a director passes packets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The packet's address becomes the server's; answers come back through the director.
    Nat,
    /// The packet goes to the server as it is, in a frame of its own; the server has the virtual address on loopback and
    /// answers by itself.
    Direct,
    /// The packet goes inside another; the server has the virtual address and answers by itself.
    Tunnel,
}

impl Method {
    /// Its option of `ipvsadm`.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Nat => "--masquerading",
            Self::Direct => "--gatewaying",
            Self::Tunnel => "--ipip",
        }
    }
}

/// As `/proc/net/ip_vs` has it.
impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nat => "Masq",
            Self::Direct => "Route",
            Self::Tunnel => "Tunnel",
        })
    }
}

impl Host {
    /// Passes on packets that are not its own, as a director must for NAT.
    pub fn forward(&self) {
        self.set("net/ipv4/ip_forward", "1");
        self.set("net/ipv6/conf/all/forwarding", "1");
    }

    /// Takes packets for a virtual address without saying that it has it, as a real server must for direct routing. For
    /// IPv6 the kernel never tells of loopback's addresses.
    pub fn hold_silently(&self, address: IpAddr) {
        self.do_not_tell();
        self.call(&format!("ip address add {} dev lo", alone(address)));
    }

    /// Takes tunnelled packets for a virtual address, as a real server must for tunnels.
    pub fn end_tunnel(&self, address: IpAddr) {
        self.do_not_tell();
        // The module makes the device on every host.
        let (module, device) = if address.is_ipv4() { ("ipip", "tunl0") } else { ("ip6_tunnel", "ip6tnl0") };
        call(&format!("modprobe {module}"));
        self.call(&format!("ip link set {device} up"));
        self.call(&format!("ip address add {} dev {device}", alone(address)));
        if address.is_ipv4() {
            // The way back to the client is not through the tunnel.
            self.set("net/ipv4/conf/all/rp_filter", "0");
            self.set("net/ipv4/conf/tunl0/rp_filter", "0");
        }
    }

    fn do_not_tell(&self) {
        self.set("net/ipv4/conf/all/arp_ignore", "1");
        self.set("net/ipv4/conf/all/arp_announce", "2");
    }
}

/// An address without a network.
#[must_use]
pub fn alone(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}
