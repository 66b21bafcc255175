//! Simulated edges in this process, which send a fixed response and count their sessions.
//!
//! They are simulated because twenty thousand players of real media, and their servers, do not fit on a test machine.
//! The load that the balancer sees is real: each session is an established TCP connection, which the kernel counts for
//! the agent.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http;
use crate::loopback;
use crate::wait::PATIENCE;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nserved\n";
/// Maximum number of addresses tried for an edge.
const ATTEMPTS: usize = 100;

/// Edges that listen until they are dropped. A session ends with its client or with the runtime.
#[derive(Debug)]
pub struct SimulatedEdges {
    edges: Vec<Arc<SimulatedEdge>>,
    _listening: JoinSet<()>,
}

/// A simulated edge.
#[derive(Debug)]
pub struct SimulatedEdge {
    /// Its own loopback address, with a port that no other edge has: the agent's system probe counts connections by
    /// port.
    pub address: SocketAddr,
    arrived: AtomicU64,
    sessions: AtomicU64,
}

impl SimulatedEdges {
    /// Starts `count` edges. Must be called on a tokio runtime.
    #[must_use]
    pub fn start(count: usize) -> Self {
        let mut ports = HashSet::new();
        let mut listening = JoinSet::new();
        let edges = (0..count).map(|_| {
            let listener = listener_on_unused_port(&mut ports);
            let address = listener.local_addr().expect("a bound socket has an address");
            let edge = Arc::new(SimulatedEdge { address, arrived: AtomicU64::new(0), sessions: AtomicU64::new(0) });
            listener.set_nonblocking(true).expect("make the socket non-blocking");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener on this runtime");
            listening.spawn(Arc::clone(&edge).listen(listener));
            edge
        });
        Self { edges: edges.collect(), _listening: listening }
    }

    /// Returns the edges, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = &SimulatedEdge> {
        self.edges.iter().map(Arc::as_ref)
    }

    /// Returns the number of open sessions of each edge.
    #[must_use]
    pub fn sessions(&self) -> Vec<u64> {
        self.iter().map(SimulatedEdge::sessions).collect()
    }
}

impl SimulatedEdge {
    /// Returns its loopback address.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        match self.address {
            SocketAddr::V4(address) => *address.ip(),
            SocketAddr::V6(_) => unreachable!("loopback addresses are IPv4"),
        }
    }

    /// Returns the number of clients that have sent a request.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Returns the number of open connections.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    async fn listen(self: Arc<Self>, listener: tokio::net::TcpListener) {
        loop {
            // After a panic clients fail, which the test reports; this message gives the cause.
            let (stream, _) = listener.accept().await.expect("accept, unless out of file descriptors");
            tokio::spawn(Session::of(Arc::clone(&self)).serve(stream));
        }
    }
}

/// A session, counted until it is dropped.
struct Session(Arc<SimulatedEdge>);

impl Session {
    fn of(edge: Arc<SimulatedEdge>) -> Self {
        edge.sessions.fetch_add(1, Ordering::Relaxed);
        Self(edge)
    }

    async fn serve(self, mut stream: TcpStream) {
        // A client that sends no request is disconnected and does not count as arrived; it reports the failure itself.
        let Ok(Ok(_)) = timeout(PATIENCE, http::read_head(&mut stream)).await else { return };
        // Before the response, so that every client with a response has been counted.
        self.0.arrived.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(ANSWER).await.is_ok() {
            // Until the client closes; an abrupt close is an error.
            while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

fn listener_on_unused_port(taken: &mut HashSet<u16>) -> TcpListener {
    let listeners = (0..ATTEMPTS).map(|_| loopback::listener(loopback::address()));
    let mut unused = listeners.filter(|listener| {
        let address = listener.local_addr().expect("a bound socket has an address");
        taken.insert(address.port())
    });
    unused.next().unwrap_or_else(|| panic!("no port that is unused by other edges in {ATTEMPTS} attempts"))
}
