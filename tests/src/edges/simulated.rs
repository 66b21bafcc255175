//! Edges in this process that serve nothing but an answer, and count.
//!
//! They are simulated: twenty thousand players of real media, and what serves them, fit no machine that runs tests. What
//! balancing is judged by is real: each session is an established TCP connection that the kernel counts for the agent.

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
/// How many addresses are tried for an edge before giving up.
const ATTEMPTS: usize = 100;

/// Edges that listen until they are dropped. Their sessions end with their clients, or with the runtime.
#[derive(Debug)]
pub struct SimulatedEdges {
    edges: Vec<Arc<SimulatedEdge>>,
    _listening: JoinSet<()>,
}

/// One edge.
#[derive(Debug)]
pub struct SimulatedEdge {
    /// Its own loopback address, and a port that no other of the edges has: the agent's system probe counts by port.
    pub address: SocketAddr,
    arrived: AtomicU64,
    sessions: AtomicU64,
}

impl SimulatedEdges {
    /// So many edges, which listen from now on; must be called on a tokio runtime.
    #[must_use]
    pub fn start(count: usize) -> Self {
        let mut ports = HashSet::new();
        let mut listening = JoinSet::new();
        let edges = (0..count).map(|_| {
            let listener = listener_on_a_port_of_its_own(&mut ports);
            let address = listener.local_addr().expect("a bound socket has an address");
            let edge = Arc::new(SimulatedEdge { address, arrived: AtomicU64::new(0), sessions: AtomicU64::new(0) });
            listener.set_nonblocking(true).expect("a socket can be set so");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener on this runtime");
            listening.spawn(Arc::clone(&edge).listen(listener));
            edge
        });
        Self { edges: edges.collect(), _listening: listening }
    }

    /// Each edge, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = &SimulatedEdge> {
        self.edges.iter().map(Arc::as_ref)
    }

    /// The sessions of each edge now.
    #[must_use]
    pub fn sessions(&self) -> Vec<u64> {
        self.iter().map(SimulatedEdge::sessions).collect()
    }
}

impl SimulatedEdge {
    /// Its loopback address.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        match self.address {
            SocketAddr::V4(address) => *address.ip(),
            SocketAddr::V6(_) => unreachable!("loopback addresses are IPv4"),
        }
    }

    /// Clients that asked for something so far.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    async fn listen(self: Arc<Self>, listener: tokio::net::TcpListener) {
        loop {
            // Clients fail from then on, and the test says how; this says why.
            let (stream, _) = listener.accept().await.expect("a connection, when open files are left for it");
            tokio::spawn(Session::of(Arc::clone(&self)).serve(stream));
        }
    }
}

/// Counted for as long as it lives.
struct Session(Arc<SimulatedEdge>);

impl Session {
    fn of(edge: Arc<SimulatedEdge>) -> Self {
        edge.sessions.fetch_add(1, Ordering::Relaxed);
        Self(edge)
    }

    async fn serve(self, mut stream: TcpStream) {
        // A client that asks for nothing is sent away; it did not arrive, and says so itself.
        let Ok(Ok(_)) = timeout(PATIENCE, http::read_head(&mut stream)).await else { return };
        // Before the answer: a client that has it is counted.
        self.0.arrived.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(ANSWER).await.is_ok() {
            // Until the client closes, which may come as an error: then it closed in a hurry.
            while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

fn listener_on_a_port_of_its_own(taken: &mut HashSet<u16>) -> TcpListener {
    let listeners = (0..ATTEMPTS).map(|_| loopback::listener(loopback::address()));
    let mut fitting = listeners.filter(|listener| {
        let address = listener.local_addr().expect("a bound socket has an address");
        taken.insert(address.port())
    });
    fitting.next().unwrap_or_else(|| panic!("no port that no other edge has in {ATTEMPTS} attempts"))
}
