//! Routes to servers and addresses of this machine, from netlink.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use rustix::net::netdevice::index_to_name;
use socket2::{Domain, Type};
use weir_program::netlink::{Error, Protocol, Socket, addresses};

use super::source::{LocalAddresses, source};
use crate::netlink::route::{get_route, read_route};

/// Route to a server, with the source address for its probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRoute {
    /// The interface on which packets leave, and on which replies are expected.
    pub interface: String,
    /// Source address for probes; `None` if this machine has no suitable one.
    pub source: Option<IpAddr>,
}

/// Looks up routes in the network namespace of the thread that opened it. This needs no privileges.
#[derive(Debug)]
pub struct Routes {
    socket: Socket,
    /// Socket for looking up names of interfaces.
    names: socket2::Socket,
    addresses: LocalAddresses,
}

impl Routes {
    /// Reads the addresses of this machine. `virtual_addresses` are not used as source.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(virtual_addresses: BTreeSet<IpAddr>) -> Result<Self, Error> {
        let mut socket = Socket::open(Protocol::Route)?;
        let names = socket2::Socket::new(Domain::for_address((Ipv4Addr::UNSPECIFIED, 0).into()), Type::DGRAM, None)?;
        let present = socket.dump(addresses::request(), |present: &mut Vec<_>, message| {
            present.extend(addresses::read(message)?);
            Ok(())
        })?;
        Ok(Self { socket, names, addresses: LocalAddresses { present, virtual_addresses } })
    }

    /// The route to a server, with the first of the `preferred` source addresses that this machine has.
    ///
    /// # Errors
    /// [`Error`], for example when there is no route.
    pub fn to(&mut self, server: IpAddr, preferred: &[IpAddr]) -> Result<ProbeRoute, Error> {
        let route = self.socket.query(get_route(server), read_route)?;
        let interface = index_to_name(&self.names, route.interface)?;
        Ok(ProbeRoute { interface, source: source(server, &route, preferred, &self.addresses) })
    }

    /// The interface that has this address; `None` if this machine does not have it.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<String> {
        let local = self.addresses.present.iter().find(|local| local.address == address)?;
        // The lookup fails if the interface has been removed since, and its addresses with it.
        index_to_name(&self.names, local.interface).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_to_this_machine_is_loopback() {
        let mut routes = Routes::open(BTreeSet::new()).unwrap();
        let server = Ipv4Addr::LOCALHOST.into();
        let interfaces = (routes.interface_of(server), routes.interface_of([192, 0, 2, 10].into()));
        assert_eq!((interfaces.0.as_deref(), interfaces.1), (Some("lo"), None));
        let expected = ProbeRoute { interface: "lo".to_owned(), source: Some(server) };
        assert_eq!(routes.to(server, &[]).unwrap(), expected);
    }
}
