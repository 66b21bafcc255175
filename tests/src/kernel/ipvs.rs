//! The IPVS table from `/proc/net/ip_vs`, read independently of Weir's code.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::host::{Host, proc_net};

/// The IPVS table of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The services, in the order of the kernel's hash table.
    pub services: Vec<VirtualService>,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// Its packets.
    pub key: ServiceKey,
    /// Scheduler, such as `wrr`.
    pub scheduler: String,
    /// Flags: `ops`, or `persistent` with seconds and netmask.
    pub flags: String,
    /// Its real servers, in the kernel's order.
    pub servers: Vec<RealServer>,
}

/// Packets of a virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKey {
    /// A firewall mark. Services for IPv4 and IPv6 may have the same; the table does not distinguish them.
    Mark(u32),
    /// A protocol, such as `TCP`, and an address.
    Address(String, SocketAddr),
}

/// A real server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// Address; the port is 0 if the service has none.
    pub address: SocketAddr,
    /// `Masq`, `Route`, `Tunnel` or `Local`.
    pub forward: String,
    /// Weight; 0 for a server that gets no new connections.
    pub weight: u32,
    /// Number of established connections.
    pub active: u32,
    /// Number of other connections in the kernel's table.
    pub inactive: u32,
}

impl Host {
    /// The present IPVS table of the host.
    ///
    /// # Panics
    /// If it cannot be read or parsed.
    #[must_use]
    pub fn ipvs(&self) -> Table {
        self.run(Table::current)
    }
}

impl Table {
    /// The present IPVS table in the calling thread's namespace.
    pub(super) fn current() -> Self {
        let read = proc_net("ip_vs").and_then(|text| Self::parse(&text).map_err(io::Error::other));
        read.unwrap_or_else(|error| panic!("/proc/net/ip_vs: {error}"))
    }

    /// The real servers with this address, one for each of their services.
    pub fn servers(&self, address: IpAddr) -> impl Iterator<Item = &RealServer> {
        self.services.iter().flat_map(|service| &service.servers).filter(move |server| server.address.ip() == address)
    }

    /// The weights of the server with this address, one for each of its services.
    #[must_use]
    pub fn weights(&self, address: IpAddr) -> Vec<u32> {
        self.servers(address).map(|server| server.weight).collect()
    }

    /// The weight of the server with this address in the service with this mark; `None` if the service does not have
    /// it.
    #[must_use]
    pub fn weight(&self, mark: u32, address: IpAddr) -> Option<u32> {
        let services = self.services.iter().filter(|service| service.key == ServiceKey::Mark(mark));
        let server = services.flat_map(|service| &service.servers).find(|server| server.address.ip() == address);
        server.map(|server| server.weight)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        // The first three lines are headings.
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
        let packets = words.next()?;
        let key = match protocol {
            "FWM" => ServiceKey::Mark(u32::from_str_radix(packets, 16).ok()?),
            _ => ServiceKey::Address(protocol.to_owned(), socket_address(packets)?),
        };
        let scheduler = words.next()?.to_owned();
        Some(Self { key, scheduler, flags: words.collect::<Vec<_>>().join(" "), servers: Vec::new() })
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

/// Parses `C000020A:022A` or `[2001:0db8:…]:022A`, in hexadecimal.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(ipv6) => IpAddr::V6(ipv6.strip_suffix(']')?.parse().ok()?),
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
    fn services_with_marks_and_addresses_of_both_families_are_parsed() {
        let text = format!(
            "{HEADINGS}FWM  00000050 wrr persistent 600 FFFFFFFF\n  \
             -> C0000215:0000      Masq    100    3          4         \n  \
             -> [2001:0db8:0000:0000:0000:0000:0001:0015]:0000      Route   0      0          0         \n\
             TCP  C000020A:022A rr \n"
        );
        let table = Table::parse(&text).expect("a table");
        let [marked, plain] = &table.services[..] else { panic!("{table:?}") };
        assert_eq!((&marked.key, &*marked.scheduler), (&ServiceKey::Mark(80), "wrr"));
        assert_eq!(marked.flags, "persistent 600 FFFFFFFF");
        assert_eq!(plain.key, ServiceKey::Address("TCP".to_owned(), "192.0.2.10:554".parse().expect("an address")));
        let first = table.servers("192.0.2.21".parse().expect("an address")).next().expect("a server");
        assert_eq!((&*first.forward, first.weight, first.active, first.inactive), ("Masq", 100, 3, 4));
        assert_eq!(table.weights("2001:db8::1:15".parse().expect("an address")), [0]);
    }

    #[test]
    fn an_error_contains_the_invalid_line() {
        let error = Table::parse(&format!("{HEADINGS}FWM  xyz rr\n")).expect_err("not a number");
        assert!(error.contains("xyz"), "{error}");
    }
}
