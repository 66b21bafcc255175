//! Sockets for clients.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::num::NonZeroU16;
use std::sync::Arc;

use ipnet::IpNet;
use weir_fleet::Protocol;
use weir_program::listen::{self, BACKLOG};

use crate::redirect::RedirectDefaults;
use crate::settings::Listener;

/// One port for clients: a socket for each worker.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is done there.
    pub service: Service,
    told: RedirectDefaults,
    proxies: Arc<[IpNet]>,
    sockets: Vec<StdListener>,
}

/// What is done for those who connect to a listener.
#[derive(Clone, Debug)]
pub enum Service {
    /// They speak one of these protocols, and the first bytes tell which.
    Speak(Arc<[Protocol]>),
    /// They are relayed to this port of an edge, whatever they speak.
    Relay(NonZeroU16),
}

/// Binds a listener for `workers` workers.
///
/// Each gets a socket of its own with `SO_REUSEPORT`, and the kernel spreads connections over them: workers share no
/// accept queue, and no lock.
///
/// # Errors
/// When the address is taken, is not this machine's, or is not allowed.
pub fn bind(listener: &Listener, workers: usize) -> io::Result<Bound> {
    let (address, sockets) = listen::first_that_binds(listener.address, |address| bind_all(address, workers))?;
    let told = RedirectDefaults { scheme: listener.redirect_scheme, port: listener.redirect_port };
    let service = match listener.relay_port {
        Some(port) => Service::Relay(port),
        None => Service::Speak(listener.protocols.as_slice().into()),
    };
    Ok(Bound { address, service, told, proxies: listener.proxy_protocol_from.as_slice().into(), sockets })
}

fn bind_all(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<StdListener>)> {
    // SO_REUSEPORT would let a second balancer of the same user share the port unnoticed, and each would get half of
    // the clients. So the port is first taken without it, which fails if anybody has it.
    let alone = listen::tcp_socket(address)?;
    alone.set_reuse_address(true)?;
    alone.bind(&address.into())?;
    drop(alone);
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = listen::tcp_socket(address)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        // An answer is one small write: there is nothing to gather. Accepted sockets inherit it.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = StdListener::from(socket);
        // The first socket gets a free port if any will do; the others take the same.
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok((address, sockets))
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Service::Speak(protocols) => {
                let names: Vec<&str> = protocols.iter().map(|protocol| protocol.name()).collect();
                write!(f, "{} for {}", self.address, names.join(", "))
            }
            Service::Relay(port) => write!(f, "{} for relay to port {port}", self.address),
        }
    }
}

/// Hands out the sockets of all listeners: for each worker one of each.
#[must_use]
pub fn by_worker(bound: Vec<Bound>, workers: usize) -> Vec<Vec<Port>> {
    let mut of_worker: Vec<Vec<Port>> = (0..workers).map(|_| Vec::new()).collect();
    for Bound { address, service, told, proxies, sockets } in bound {
        for (ports, socket) in of_worker.iter_mut().zip(sockets) {
            let (service, proxies) = (service.clone(), Arc::clone(&proxies));
            ports.push(Port { socket, number: address.port(), service, told, proxies });
        }
    }
    of_worker
}

/// One worker's socket of one listener.
#[derive(Debug)]
pub struct Port {
    pub(crate) socket: StdListener,
    pub(crate) number: u16,
    pub(crate) service: Service,
    pub(crate) told: RedirectDefaults,
    /// Whose connections begin with a PROXY protocol header.
    pub(crate) proxies: Arc<[IpNet]>,
}
