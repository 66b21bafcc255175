//! Load for an agent's system probe: real established connections.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::loopback;

/// A listener on an edge's address with connected clients; all are closed on drop.
#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    /// Both ends of each connection, because only open ones count as established.
    established: Vec<(TcpStream, TcpStream)>,
}

impl Connections {
    /// Listens on a free port of `address`, without connections.
    #[must_use]
    pub fn on(address: Ipv4Addr) -> Self {
        Self { listener: loopback::listener(address), established: Vec::new() }
    }

    /// Returns the listening port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("a bound socket has an address").port()
    }

    /// Opens or closes connections until there are `count`.
    pub fn set(&mut self, count: usize) {
        self.established.truncate(count);
        let address = self.listener.local_addr().expect("a bound socket has an address");
        while self.established.len() < count {
            let client = TcpStream::connect(address).expect("a connection over loopback");
            let (server, _) = self.listener.accept().expect("accept the connection");
            self.established.push((client, server));
        }
    }
}
