//! The ways to servers, as the kernel has them now.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use rustix::net::netdevice::index_to_name;
use socket2::{Domain, Type};
use weir_program::netlink::{Error, Protocol, Socket, addresses};

use super::source::{Environment, source};
use crate::netlink::route::{get_route, read_route};

/// The way to a server, and how it is asked by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The interface that packets leave by, and that answers are awaited at.
    pub interface: String,
    /// The address that the server is asked from; `None` when this machine has no fit one.
    pub source: Option<IpAddr>,
}

/// Finds ways, in the network namespace of the thread that opened it. It needs no rights.
#[derive(Debug)]
pub struct Paths {
    socket: Socket,
    /// By which the names of interfaces are asked for.
    names: socket2::Socket,
    environment: Environment,
}

impl Paths {
    /// Reads this machine's addresses, of which those given are virtual.
    ///
    /// # Errors
    /// [`Error`], here and below.
    pub fn open(virtual_addresses: BTreeSet<IpAddr>) -> Result<Self, Error> {
        let mut socket = Socket::open(Protocol::Route)?;
        let names = socket2::Socket::new(Domain::for_address((Ipv4Addr::UNSPECIFIED, 0).into()), Type::DGRAM, None)?;
        let own = socket.list(addresses::list(), |own: &mut Vec<_>, message| {
            own.extend(addresses::read(message)?);
            Ok(())
        })?;
        Ok(Self { socket, names, environment: Environment { own, virtual_addresses } })
    }

    /// The way to a server, which is to be asked from one of `preferred` if this machine has it.
    ///
    /// # Errors
    /// [`Error`], such as that there is no way.
    pub fn to(&mut self, server: IpAddr, preferred: &[IpAddr]) -> Result<Path, Error> {
        let route = self.socket.ask(get_route(server), read_route)?;
        let interface = index_to_name(&self.names, route.interface)?;
        Ok(Path { interface, source: source(server, &route, preferred, &self.environment) })
    }

    /// The interface that has this address; `None` when this machine does not have it.
    #[must_use]
    pub fn home(&self, address: IpAddr) -> Option<String> {
        let own = self.environment.own.iter().find(|own| own.address == address)?;
        // It may be gone since.
        index_to_name(&self.names, own.interface).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_machine_is_loopback() {
        let mut paths = Paths::open(BTreeSet::new()).unwrap();
        let server = Ipv4Addr::LOCALHOST.into();
        assert_eq!((paths.home(server).as_deref(), paths.home([192, 0, 2, 10].into())), (Some("lo"), None));
        assert_eq!(paths.to(server, &[]).unwrap(), Path { interface: "lo".to_owned(), source: Some(server) });
    }
}
