//! Load that an agent's system probe can see: real established connections.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::loopback;

/// A listener on an edge's address with clients connected to it. They go when it is dropped.
#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    /// Both ends of each connection: were one closed, it would no longer count as established.
    established: Vec<(TcpStream, TcpStream)>,
}

impl Connections {
    /// Listens on a free port of `address`, with no one connected yet.
    #[must_use]
    pub fn on(address: Ipv4Addr) -> Self {
        Self { listener: loopback::listener(address), established: Vec::new() }
    }

    /// The port to tell the agent.
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
            let (server, _) = self.listener.accept().expect("the connection just opened");
            self.established.push((client, server));
        }
    }
}
