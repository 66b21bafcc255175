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
    /// The packet goes to the server inside another; the server has the virtual address and answers by itself. This other
    /// is IP alone.
    Ipip,
    /// … with UDP between, by generic UDP encapsulation to [`GUE`].
    Gue,
    /// … with generic routing encapsulation between.
    Gre,
}

/// The port that real servers take generic UDP encapsulation on.
pub const GUE: u16 = 6080;

impl Method {
    /// Its options of `ipvsadm`.
    #[must_use]
    pub fn options(self) -> String {
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

/// As `/proc/net/ip_vs` has it.
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

    /// Takes packets for a virtual address that come by this method, as a real server must.
    pub fn receive(&self, method: Method, address: IpAddr) {
        match (method, address.is_ipv4()) {
            (Method::Nat, _) => {}
            (Method::Direct, _) => self.hold_silently(address),
            (Method::Ipip, true) => self.end_tunnel("ipip", "tunl0", address),
            (Method::Ipip, false) => self.end_tunnel("ip6_tunnel", "ip6tnl0", address),
            (Method::Gre, true) => self.end_tunnel("ip_gre", "gre0", address),
            (Method::Gre, false) => self.end_tunnel("ip6_gre", "ip6gre0", address),
            // What is unwrapped is a packet of the tunnel below.
            (Method::Gue, true) => {
                self.end_tunnel("ipip", "tunl0", address);
                call("modprobe fou");
                self.call(&format!("ip fou add port {GUE} gue"));
            }
            (Method::Gue, false) => {
                self.end_tunnel("ip6_tunnel", "ip6tnl0", address);
                call("modprobe fou6");
                self.call(&format!("ip -6 fou add port {GUE} gue"));
            }
        }
    }

    /// The module makes the device on every host.
    fn end_tunnel(&self, module: &str, device: &str, address: IpAddr) {
        self.do_not_tell();
        call(&format!("modprobe {module}"));
        self.call(&format!("ip link set {device} up"));
        self.call(&format!("ip address add {} dev {device}", alone(address)));
        if address.is_ipv4() {
            // The way back to the client is not through the tunnel.
            self.set("net/ipv4/conf/all/rp_filter", "0");
            self.set(&format!("net/ipv4/conf/{device}/rp_filter"), "0");
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
