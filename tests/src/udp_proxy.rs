//! A UDP proxy between an agent and a balancer, in the position of an on-path attacker.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::wait::{PATIENCE, eventually};

/// Interval at which the proxy's threads check whether to end.
const TICK: Duration = Duration::from_millis(50);
/// At least the size of any UDP datagram.
const BUFFER: usize = 65_536;

/// Forwards datagrams in both directions and records those of the agent.
#[derive(Debug)]
pub struct UdpProxy {
    /// Target address for the agent.
    pub address: SocketAddr,
    /// Connected to the balancer. Forged reports have the same source address as real ones.
    towards_balancer: UdpSocket,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ending: AtomicBool,
    /// Datagrams from the agent, in order.
    recorded: Mutex<Vec<Vec<u8>>>,
    /// Address of the agent, for acks.
    agent: Mutex<Option<SocketAddr>>,
}

impl UdpProxy {
    /// Listens on a free port and forwards to `balancer`.
    #[must_use]
    pub fn in_front_of(balancer: SocketAddr) -> Self {
        let towards_agent = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let towards_balancer = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        towards_balancer.connect(balancer).expect("a UDP socket can be connected");
        let address = towards_agent.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let threads = vec![
            forward(&towards_agent, &towards_balancer, &shared, forward_report),
            forward(&towards_balancer, &towards_agent, &shared, forward_ack),
        ];
        Self { address, towards_balancer, shared, threads }
    }

    /// Waits for the next report of the agent and returns it.
    #[must_use]
    pub fn next_report(&self) -> Vec<u8> {
        let seen = self.recorded().len();
        eventually("a report passes the proxy", PATIENCE, || {
            self.recorded().get(seen).cloned().ok_or_else(|| format!("{seen} so far"))
        })
    }

    /// Returns all reports so far, oldest first.
    #[must_use]
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a datagram to the balancer as if it came from the agent.
    pub fn inject(&self, datagram: &[u8]) {
        self.towards_balancer.send(datagram).expect("a datagram to the balancer");
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has been reported already.
            let _ = thread.join();
        }
    }
}

type Forward = fn(&Shared, &[u8], SocketAddr, &UdpSocket) -> io::Result<usize>;

fn forward(from: &UdpSocket, to: &UdpSocket, shared: &Arc<Shared>, forward_datagram: Forward) -> JoinHandle<()> {
    let from = from.try_clone().expect("a second handle of a socket");
    let to = to.try_clone().expect("a second handle of a socket");
    from.set_read_timeout(Some(TICK)).expect("a timeout above zero");
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut buffer = vec![0; BUFFER];
        while !shared.ending.load(Ordering::Relaxed) {
            // An error is a timeout, or an unreachable peer: then the network would lose the datagram as well.
            if let Ok((length, source)) = from.recv_from(&mut buffer) {
                let _ = forward_datagram(&shared, &buffer[..length], source, &to);
            }
        }
    })
}

fn forward_report(shared: &Shared, datagram: &[u8], agent: SocketAddr, to: &UdpSocket) -> io::Result<usize> {
    *shared.agent.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent);
    // Forwarded before it is recorded, so that a recorded report has already been sent to the balancer.
    let sent = to.send(datagram);
    shared.recorded.lock().unwrap_or_else(PoisonError::into_inner).push(datagram.to_owned());
    sent
}

fn forward_ack(shared: &Shared, datagram: &[u8], _balancer: SocketAddr, to: &UdpSocket) -> io::Result<usize> {
    match *shared.agent.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(agent) => to.send_to(datagram, agent),
        None => Ok(0),
    }
}
