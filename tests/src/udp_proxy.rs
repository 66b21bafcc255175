//! Stands between an agent and a balancer, as an attacker on the path would.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::wait::{PATIENCE, eventually};

/// How long a thread of the proxy takes to notice that it should end.
const TICK: Duration = Duration::from_millis(50);
/// Larger than any UDP datagram.
const BUFFER: usize = 65_536;

/// Passes datagrams on in both directions and keeps the agent's.
#[derive(Debug)]
pub struct UdpProxy {
    /// Where the agent sends to.
    pub address: SocketAddr,
    /// Connected to the balancer: forged reports leave from where the real ones do.
    towards_balancer: UdpSocket,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    /// What the agent sent, in order.
    recorded: Mutex<Vec<Vec<u8>>>,
    /// Where acks go.
    agent: Mutex<Option<SocketAddr>>,
}

impl UdpProxy {
    /// Listens on a free port and passes on to `balancer`.
    #[must_use]
    pub fn before(balancer: SocketAddr) -> Self {
        let towards_agent = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let towards_balancer = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        towards_balancer.connect(balancer).expect("a UDP socket can be connected");
        let address = towards_agent.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let threads = vec![
            forward(&towards_agent, &towards_balancer, &shared, pass_report),
            forward(&towards_balancer, &towards_agent, &shared, pass_ack),
        ];
        Self { address, towards_balancer, shared, threads }
    }

    /// The next report that the agent sends from now on.
    #[must_use]
    pub fn next_report(&self) -> Vec<u8> {
        let seen = self.recorded().len();
        eventually("a report passes the proxy", PATIENCE, || {
            self.recorded().get(seen).cloned().ok_or_else(|| format!("{seen} so far"))
        })
    }

    /// All reports so far, oldest first.
    #[must_use]
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a datagram to the balancer as if it were the agent's.
    pub fn inject(&self, datagram: &[u8]) {
        self.towards_balancer.send(datagram).expect("a datagram to the balancer");
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

type Pass = fn(&Shared, &[u8], SocketAddr, &UdpSocket) -> io::Result<usize>;

fn forward(from: &UdpSocket, to: &UdpSocket, shared: &Arc<Shared>, pass: Pass) -> JoinHandle<()> {
    let from = from.try_clone().expect("a second handle of a socket");
    let to = to.try_clone().expect("a second handle of a socket");
    from.set_read_timeout(Some(TICK)).expect("a timeout above zero");
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut buffer = vec![0; BUFFER];
        while !shared.ending.load(Ordering::Relaxed) {
            // Errors are the tick, or a peer that is not there (any more): the network would lose the datagram, too.
            if let Ok((length, source)) = from.recv_from(&mut buffer) {
                let _ = pass(&shared, &buffer[..length], source, &to);
            }
        }
    })
}

fn pass_report(shared: &Shared, datagram: &[u8], agent: SocketAddr, to: &UdpSocket) -> io::Result<usize> {
    *shared.agent.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent);
    // Passed on before it is recorded: whoever sees the record may count on the balancer having the original.
    let sent = to.send(datagram);
    shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(datagram.to_owned());
    sent
}

fn pass_ack(shared: &Shared, datagram: &[u8], _balancer: SocketAddr, to: &UdpSocket) -> io::Result<usize> {
    match *shared.agent.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(agent) => to.send_to(datagram, agent),
        None => Ok(0),
    }
}
