//! The kernel's table of virtual services, as `/proc/net/ip_vs` shows it: read without what Weir reads it with.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::host::{Host, proc_net};

/// What IPVS knows on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// In the kernel's order, which is that of a hash.
    pub services: Vec<VirtualService>,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// What makes a packet belong to it.
    pub packets: Packets,
    /// Such as `wrr`.
    pub scheduler: String,
    /// What follows: `ops`, or `persistent`, its seconds and its netmask.
    pub flags: String,
    /// Its real servers, in the kernel's order.
    pub servers: Vec<RealServer>,
}

/// What makes a packet belong to a virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packets {
    /// A firewall mark. Services for IPv4 and IPv6 may have the same; the table does not say which is which.
    Marked(u32),
    /// A protocol, such as `TCP`, and an address.
    To(String, SocketAddr),
}

/// A real server of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// With port 0 where the service has none.
    pub address: SocketAddr,
    /// `Masq`, `Route`, `Tunnel` or `Local`.
    pub forward: String,
    /// 0 for a server that gets no new connections.
    pub weight: u32,
    /// Established connections.
    pub active: u32,
    /// Others that the kernel still remembers.
    pub inactive: u32,
}

impl Host {
    /// What IPVS knows here now; nothing where it is not loaded.
    ///
    /// # Panics
    /// When the kernel's table is not as expected.
    #[must_use]
    pub fn ipvs(&self) -> Table {
        self.run(Table::here)
    }
}

impl Table {
    /// What IPVS knows on the host of the calling thread.
    pub(super) fn here() -> Self {
        let read = proc_net("ip_vs").and_then(|text| Self::parse(&text).map_err(io::Error::other));
        read.unwrap_or_else(|error| panic!("/proc/net/ip_vs: {error}"))
    }

    /// All real servers of this address: one for each service that it is in.
    pub fn servers(&self, address: IpAddr) -> impl Iterator<Item = &RealServer> {
        self.services.iter().flat_map(|service| &service.servers).filter(move |server| server.address.ip() == address)
    }

    /// The weights of this address: one for each service that it is in.
    #[must_use]
    pub fn weights(&self, address: IpAddr) -> Vec<u32> {
        self.servers(address).map(|server| server.weight).collect()
    }

    /// The weight of this address in the service of this mark; nothing when it is not in it.
    #[must_use]
    pub fn weight(&self, mark: u32, address: IpAddr) -> Option<u32> {
        let services = self.services.iter().filter(|service| service.packets == Packets::Marked(mark));
        let server = services.flat_map(|service| &service.servers).find(|server| server.address.ip() == address);
        server.map(|server| server.weight)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        // Three lines of headings.
        for line in text.lines().skip(3) {
            let parsed = match line.trim_start().strip_prefix("-> ") {
                None => VirtualService::parse(line).map(|service| table.services.push(service)),
                Some(server) => RealServer::parse(server)
                    .and_then(|server| table.services.last_mut().map(|service| service.servers.push(server))),
            };
            parsed.ok_or_else(|| format!("unexpected line `{line}`"))?;
        }
        Ok(table)
    }
}

impl VirtualService {
    fn parse(line: &str) -> Option<Self> {
        let (protocol, rest) = line.split_once(' ')?;
        let mut words = rest.split_whitespace();
        let key = words.next()?;
        let packets = match protocol {
            "FWM" => Packets::Marked(u32::from_str_radix(key, 16).ok()?),
            _ => Packets::To(protocol.to_owned(), socket_address(key)?),
        };
        let scheduler = words.next()?.to_owned();
        Some(Self { packets, scheduler, flags: words.collect::<Vec<_>>().join(" "), servers: Vec::new() })
    }
}

impl RealServer {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            address: socket_address(words.next()?)?,
            forward: words.next()?.to_owned(),
            weight: words.next()?.parse().ok()?,
            active: words.next()?.parse().ok()?,
            inactive: words.next()?.parse().ok()?,
        })
    }
}

/// `C000020A:022A` or `[2001:0db8:…]:022A`: all in hexadecimal.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(six) => IpAddr::V6(six.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "IP Virtual Server version 1.2.1 (size=4096)\n\
        Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";

    #[test]
    fn marks_and_addresses_of_both_families_are_read() {
        let text = format!(
            "{HEADINGS}FWM  00000050 wrr persistent 600 FFFFFFFF\n  \
             -> C0000215:0000      Masq    100    3          4         \n  \
             -> [2001:0db8:0000:0000:0000:0000:0001:0015]:0000      Route   0      0          0         \n\
             TCP  C000020A:022A rr \n"
        );
        let table = Table::parse(&text).expect("a table");
        let [marked, plain] = &table.services[..] else { panic!("{table:?}") };
        assert_eq!((&marked.packets, &*marked.scheduler), (&Packets::Marked(80), "wrr"));
        assert_eq!(marked.flags, "persistent 600 FFFFFFFF");
        assert_eq!(plain.packets, Packets::To("TCP".to_owned(), "192.0.2.10:554".parse().expect("an address")));
        let first = table.servers("192.0.2.21".parse().expect("an address")).next().expect("a server");
        assert_eq!((&*first.forward, first.weight, first.active, first.inactive), ("Masq", 100, 3, 4));
        assert_eq!(table.weights("2001:db8::1:15".parse().expect("an address")), [0]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let error = Table::parse(&format!("{HEADINGS}FWM  xyz rr\n")).expect_err("not a number");
        assert!(error.contains("xyz"), "{error}");
    }
}
