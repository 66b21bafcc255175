//! Listening sockets for clients.

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

/// A bound listener: one socket per worker.
#[derive(Debug)]
pub struct Bound {
    /// The address that it is bound to.
    pub address: SocketAddr,
    /// The service for its clients.
    pub service: Service,
    redirect_defaults: RedirectDefaults,
    proxies: Arc<[IpNet]>,
    sockets: Vec<StdListener>,
}

/// The service that a listener provides.
#[derive(Clone, Debug)]
pub enum Service {
    /// Detects the protocol, which must be one of these, and serves it.
    Detect(Arc<[Protocol]>),
    /// Relays every connection to this port of an edge, whatever its protocol.
    Relay(NonZeroU16),
}

/// Binds a listener for `workers` workers.
///
/// Each gets a socket of its own with `SO_REUSEPORT`, over which the kernel distributes connections: workers share
/// neither an accept queue nor a lock.
///
/// # Errors
/// When the address is in use, not local, or not permitted.
pub fn bind(listener: &Listener, workers: usize) -> io::Result<Bound> {
    let (address, sockets) = listen::first_that_binds(listener.address, |address| bind_all(address, workers))?;
    let redirect_defaults = RedirectDefaults { scheme: listener.redirect_scheme, port: listener.redirect_port };
    let service = match listener.relay_port {
        Some(port) => Service::Relay(port),
        None => Service::Detect(listener.protocols.as_slice().into()),
    };
    Ok(Bound { address, service, redirect_defaults, proxies: listener.proxy_protocol_from.as_slice().into(), sockets })
}

fn bind_all(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<StdListener>)> {
    // With SO_REUSEPORT a second balancer of the same user could share the port unnoticed, and each would get half of
    // the clients. So the port is bound without it first, which fails if it is in use.
    let exclusive = listen::tcp_socket(address)?;
    exclusive.set_reuse_address(true)?;
    exclusive.bind(&address.into())?;
    drop(exclusive);
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = listen::tcp_socket(address)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        // An answer is one small write, so that delaying it gains nothing. Accepted sockets inherit the option.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = StdListener::from(socket);
        // For port 0 the first socket gets a free port, which the others then bind.
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok((address, sockets))
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Service::Detect(protocols) => {
                let names: Vec<&str> = protocols.iter().map(|protocol| protocol.name()).collect();
                write!(f, "{} for {}", self.address, names.join(", "))
            }
            Service::Relay(port) => write!(f, "{} for relay to port {port}", self.address),
        }
    }
}

/// Distributes the sockets of all listeners: one of each listener per worker.
#[must_use]
pub fn by_worker(bound: Vec<Bound>, workers: usize) -> Vec<Vec<Port>> {
    let mut ports_by_worker: Vec<Vec<Port>> = (0..workers).map(|_| Vec::new()).collect();
    for Bound { address, service, redirect_defaults, proxies, sockets } in bound {
        for (ports, socket) in ports_by_worker.iter_mut().zip(sockets) {
            let (service, proxies) = (service.clone(), Arc::clone(&proxies));
            ports.push(Port { socket, number: address.port(), service, redirect_defaults, proxies });
        }
    }
    ports_by_worker
}

/// One worker's socket of one listener.
#[derive(Debug)]
pub struct Port {
    pub(crate) socket: StdListener,
    pub(crate) number: u16,
    pub(crate) service: Service,
    pub(crate) redirect_defaults: RedirectDefaults,
    /// Networks of proxies, whose connections begin with a PROXY protocol header.
    pub(crate) proxies: Arc<[IpNet]>,
}
