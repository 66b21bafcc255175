//! Load for an agent's system probe: real established connections.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};

/// A listener with clients connected to an edge's address; all are closed on drop.
#[derive(Debug)]
pub struct Connections {
    address: Ipv4Addr,
    /// On every address: the kernel counts connections by port alone, so no other test may get the same port.
    listener: TcpListener,
    /// Both ends of each connection, because only open ones count as established.
    established: Vec<(TcpStream, TcpStream)>,
}

impl Connections {
    /// Listens on a free port for connections to `address`, of which there are none yet.
    #[must_use]
    pub fn on(address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        Self { address, listener, established: Vec::new() }
    }

    /// Returns the listening port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("a bound socket has an address").port()
    }

    /// Opens or closes connections until there are `count`.
    pub fn set(&mut self, count: usize) {
        self.established.truncate(count);
        let address = SocketAddrV4::new(self.address, self.port());
        while self.established.len() < count {
            let client = TcpStream::connect(address).expect("a connection over loopback");
            let (server, _) = self.listener.accept().expect("accept the connection");
            self.established.push((client, server));
        }
    }
}
