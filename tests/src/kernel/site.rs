//! The site that most scenarios use: clients and directors on one network, and real servers on the same network, or
//! behind the directors for NAT.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::application::Application;
use super::host::Host;
use super::network::Network;
use super::role::{Method, host_prefix};
use crate::wait::{self, PATIENCE};

/// The virtual addresses, IPv4 and IPv6. All addresses are from ranges reserved for documentation (RFC 5737, RFC 3849).
pub const VIRTUAL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10))];

/// Port of RTSP.
pub const RTSP: u16 = 554;
/// First of the [`RTP_PORTS`] ports for RTP.
pub const RTP: u16 = 6970;
/// Number of ports for RTP.
pub const RTP_PORTS: u16 = 100;

/// A site. Hosts are in the order of their numbers.
#[derive(Debug)]
pub struct Site {
    /// The machine of the clients.
    pub client: Host,
    /// `director1` and so on. Initially none has the virtual addresses.
    pub directors: Vec<Host>,
    /// `server1` and so on, prepared for the forwarding method.
    pub servers: Vec<Server>,
    /// Network of clients, directors and, except with NAT, servers.
    pub outside: Network,
    /// Network of directors and servers, only with NAT.
    pub inside: Option<Network>,
    /// Forwarding method.
    pub method: Method,
}

/// A real server.
#[derive(Debug)]
pub struct Server {
    /// The machine.
    pub host: Host,
    /// Its own addresses, IPv4 and IPv6.
    pub addresses: [IpAddr; 2],
    /// Addresses on which its application listens, over TCP and UDP, on ports [`RTSP`] and [`RTP`].
    sockets: Vec<SocketAddr>,
    /// `None` after a failure.
    application: Option<Application>,
}

impl Site {
    /// Builds a site with these numbers of directors and real servers.
    #[must_use]
    pub fn new(method: Method, directors: u8, servers: u8) -> Self {
        let outside = Network::new("outside");
        let inside = (method == Method::Nat).then(|| Network::new("inside"));
        let client = Host::new("client");
        outside.join(&client, "eth0", &addresses(OUTSIDE, 100));
        let directors = (1..=directors).map(|number| {
            let director = Host::new(&format!("director{number}"));
            outside.join(&director, "eth0", &addresses(OUTSIDE, 10 + number));
            if let Some(inside) = &inside {
                inside.join(&director, "eth1", &addresses(INSIDE, number));
                director.enable_forwarding();
            }
            director
        });
        let directors = directors.collect();
        let network = inside.as_ref().unwrap_or(&outside);
        let servers = (1..=servers).map(|number| Server::new(number, method, network)).collect();
        Self { client, directors, servers, outside, inside, method }
    }

    /// Adds the virtual addresses to a director.
    pub fn add_virtual_address(&self, director: &Host) {
        let [ipv4, ipv6] = VIRTUAL.map(host_prefix);
        director.call(&format!("ip address add {ipv4} dev eth0"));
        // Deprecated, so that it is never the source of the director's own packets, including those of tunnels: a real
        // server drops packets from an address that it has itself.
        director.call(&format!("ip address add {ipv6} dev eth0 preferred_lft 0"));
    }

    /// Adds a client machine whose address ends in this number, above 100. For persistence, a client is an address.
    #[must_use]
    pub fn add_client(&self, number: u8) -> Host {
        let client = Host::new(&format!("client{number}"));
        self.outside.join(&client, "eth0", &addresses(OUTSIDE, number));
        client
    }

    /// Makes a server's machine die: nothing is received from it any more.
    pub fn kill(&self, server: &Server) {
        self.servers_network().disconnect(&server.host);
    }

    /// The weight of each real server's IPv4 address on the first director; `None` if its kernel does not have the
    /// server.
    #[must_use]
    pub fn weights(&self) -> Vec<Option<u32>> {
        let table = self.directors[0].ipvs();
        self.servers.iter().map(|server| table.weights(server.addresses[0]).first().copied()).collect()
    }

    /// Waits until the weights fulfil `condition`.
    ///
    /// # Panics
    /// If it takes too long, with the weights.
    #[track_caller]
    pub fn await_weights(&self, description: &str, condition: impl Fn(&[Option<u32>]) -> bool) {
        wait::eventually(description, PATIENCE, || {
            let weights = self.weights();
            if condition(&weights) { Ok(()) } else { Err(format!("{weights:?}")) }
        });
    }

    /// The network of the real servers.
    #[must_use]
    pub fn servers_network(&self) -> &Network {
        self.inside.as_ref().unwrap_or(&self.outside)
    }

    /// Index of the real server with this name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn index_of(&self, name: &str) -> usize {
        let position = self.servers.iter().position(|server| server.host.name() == name);
        position.unwrap_or_else(|| panic!("no server {name}"))
    }
}

impl Server {
    fn new(number: u8, method: Method, network: &Network) -> Self {
        let host = Host::new(&format!("server{number}"));
        let prefix = if method == Method::Nat { INSIDE } else { OUTSIDE };
        let own = [prefix.0(20 + number), prefix.1(20 + number)];
        network.join(&host, "eth0", &addresses(prefix, 20 + number));
        if method == Method::Nat {
            // Replies are routed through the director, which translates their addresses.
            for director in [prefix.0(1), prefix.1(1)] {
                host.call(&format!("ip route add default via {director}"));
            }
        }
        VIRTUAL.iter().for_each(|address| host.become_real_server(method, *address));
        // Bound to the destination address of requests, which is the source of the replies.
        let addressed = if method == Method::Nat { own } else { VIRTUAL };
        let sockets =
            addressed.iter().flat_map(|address| [RTSP, RTP].map(|port| SocketAddr::new(*address, port))).collect();
        let mut server = Self { host, addresses: own, sockets, application: None };
        server.recover();
        server
    }

    /// Makes its application fail, while the host keeps running: connections are closed, and new ones are refused.
    pub fn fail(&mut self) {
        self.application = None;
    }

    /// Restarts its application.
    pub fn recover(&mut self) {
        self.application = Some(Application::start(&self.host, &self.sockets));
    }
}

/// Addresses of a network by host number.
type Prefix = (fn(u8) -> IpAddr, fn(u8) -> IpAddr);

const OUTSIDE: Prefix = (
    |host| Ipv4Addr::new(192, 0, 2, host).into(),
    |host| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, host.into()).into(),
);
const INSIDE: Prefix = (
    |host| Ipv4Addr::new(198, 51, 100, host).into(),
    |host| Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 1, host.into()).into(),
);

fn addresses((ipv4, ipv6): Prefix, host: u8) -> [String; 2] {
    [format!("{}/24", ipv4(host)), format!("{}/64", ipv6(host))]
}
