//! The usual site: clients and directors on one network, and real servers there too, or behind the directors for NAT.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::application::Application;
use super::host::Host;
use super::network::Network;
use super::role::{Method, alone};
use crate::wait::{self, PATIENCE};

/// The address that clients know, IPv4 and IPv6. All addresses here are those kept for documentation.
pub const VIRTUAL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10))];

/// Where RTSP listens.
pub const RTSP: u16 = 554;
/// Where RTP comes in, the first of [`RTP_PORTS`] ports.
pub const RTP: u16 = 6970;
/// How many ports RTP has.
pub const RTP_PORTS: u16 = 100;

/// A site. Its `Vec`s are in the order of the hosts' numbers.
#[derive(Debug)]
pub struct Site {
    /// Where clients are.
    pub client: Host,
    /// `director1` and so on. None of them holds the virtual address yet.
    pub directors: Vec<Host>,
    /// `server1` and so on, ready for the packets that the method brings.
    pub servers: Vec<Server>,
    /// Links clients, directors and, but for NAT, servers.
    pub outside: Network,
    /// Links directors and servers; only NAT has it.
    pub inside: Option<Network>,
    /// How packets come to the servers.
    pub method: Method,
}

/// A real server.
#[derive(Debug)]
pub struct Server {
    /// The machine.
    pub host: Host,
    /// What the director calls it, IPv4 and IPv6.
    pub addresses: [IpAddr; 2],
    /// Where its application listens, over TCP and UDP: on [`RTSP`] and [`RTP`].
    sockets: Vec<SocketAddr>,
    /// Nothing when it has failed.
    application: Option<Application>,
}

impl Site {
    /// Builds it, with so many directors and real servers.
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
                director.forward();
            }
            director
        });
        let directors = directors.collect();
        let network = inside.as_ref().unwrap_or(&outside);
        let servers = (1..=servers).map(|number| Server::new(number, method, network)).collect();
        Self { client, directors, servers, outside, inside, method }
    }

    /// Gives the virtual address to a director, without asking who has it.
    pub fn give_virtual_address(&self, director: &Host) {
        let [four, six] = VIRTUAL.map(alone);
        director.call(&format!("ip address add {four} dev eth0"));
        // Never the source of the director's own packets: a real server drops those that come from an address of its own,
        // and a tunnel's would.
        director.call(&format!("ip address add {six} dev eth0 preferred_lft 0"));
    }

    /// Another client, whose address ends in this number above 100: for persistence a client is an address.
    #[must_use]
    pub fn another_client(&self, number: u8) -> Host {
        let client = Host::new(&format!("client{number}"));
        self.outside.join(&client, "eth0", &addresses(OUTSIDE, number));
        client
    }

    /// A server's machine dies: nothing comes from it any more, and nobody is told.
    pub fn kill(&self, server: &Server) {
        self.servers_network().cut(&server.host);
    }

    /// The weight that the first director gives each real server, by its IPv4 address; nothing to one that is not there.
    #[must_use]
    pub fn weights(&self) -> Vec<Option<u32>> {
        let table = self.directors[0].ipvs();
        self.servers.iter().map(|server| table.weights(server.addresses[0]).first().copied()).collect()
    }

    /// Waits until the weights are so.
    ///
    /// # Panics
    /// When they are not in time, with what they are.
    #[track_caller]
    pub fn await_weights(&self, what: &str, are_so: impl Fn(&[Option<u32>]) -> bool) {
        wait::eventually(what, PATIENCE, || {
            let weights = self.weights();
            if are_so(&weights) { Ok(()) } else { Err(format!("{weights:?}")) }
        });
    }

    /// The network that the real servers are on.
    #[must_use]
    pub fn servers_network(&self) -> &Network {
        self.inside.as_ref().unwrap_or(&self.outside)
    }

    /// Where the real server of this name stands in [`Site::servers`].
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn position(&self, name: &str) -> usize {
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
            // The answer's way is through the director, which turns its address back.
            for director in [prefix.0(1), prefix.1(1)] {
                host.call(&format!("ip route add default via {director}"));
            }
        }
        VIRTUAL.iter().for_each(|address| host.receive(method, *address));
        // An answer has the address that the question went to, so it is that which is listened on.
        let heard = if method == Method::Nat { own } else { VIRTUAL };
        let sockets =
            heard.iter().flat_map(|address| [RTSP, RTP].map(|port| SocketAddr::new(*address, port))).collect();
        let mut server = Self { host, addresses: own, sockets, application: None };
        server.recover();
        server
    }

    /// Its application dies, and the host lives: connections are ended, and new ones refused.
    pub fn fail(&mut self) {
        self.application = None;
    }

    /// Its application runs again.
    pub fn recover(&mut self) {
        self.application = Some(Application::start(&self.host, &self.sockets));
    }
}

/// A network's hosts by number.
type Prefix = (fn(u8) -> IpAddr, fn(u8) -> IpAddr);

const OUTSIDE: Prefix = (
    |host| Ipv4Addr::new(192, 0, 2, host).into(),
    |host| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, host.into()).into(),
);
const INSIDE: Prefix = (
    |host| Ipv4Addr::new(198, 51, 100, host).into(),
    |host| Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 1, host.into()).into(),
);

fn addresses((four, six): Prefix, host: u8) -> [String; 2] {
    [format!("{}/24", four(host)), format!("{}/64", six(host))]
}
