//! Sockets for clients.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::num::NonZeroU16;
use std::sync::Arc;

use ipnet::IpNet;
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};

use crate::config::Listener;
use crate::config::address::ListenAddress;
use crate::fleet::Protocol;
use crate::fronts::redirect::Told;

/// Connections that the kernel keeps for a worker that is busy. A burst of clients beyond it is retried by their
/// systems after a second.
const BACKLOG: i32 = 4096;

/// One port for clients: a socket for each worker.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is done there.
    pub service: Service,
    told: Told,
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
    let (address, sockets) = first_that_binds(listener.address, |address| bind_all(address, workers))?;
    let told = Told { scheme: listener.redirect_scheme, port: listener.redirect_port };
    let service = match listener.relay_port {
        Some(port) => Service::Relay(port),
        None => Service::Speak(listener.protocols.as_slice().into()),
    };
    Ok(Bound { address, service, told, proxies: listener.proxy_protocol_from.as_slice().into(), sockets })
}

/// Binds one TCP socket.
///
/// # Errors
/// As [`bind`].
pub fn bind_alone(address: ListenAddress) -> io::Result<StdListener> {
    first_that_binds(address, |address| {
        let socket = socket(address, Type::STREAM, SocketProtocol::TCP)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
}

/// Bytes of reports that may wait for the control thread: those of some 10,000 edges that report in one moment, as when
/// a switch comes back. The system may allow less (`net.core.rmem_max`).
const REPORT_BUFFER: usize = 4 * 1024 * 1024;

/// Binds the UDP socket for reports.
///
/// # Errors
/// As [`bind`].
pub fn bind_udp(address: ListenAddress) -> io::Result<std::net::UdpSocket> {
    first_that_binds(address, |address| {
        let socket = socket(address, Type::DGRAM, SocketProtocol::UDP)?;
        // What is lost for want of room comes again with the next report.
        let _ = socket.set_recv_buffer_size(REPORT_BUFFER);
        socket.bind(&address.into())?;
        Ok(socket.into())
    })
}

/// Binds the first of the candidates whose address family the kernel has.
fn first_that_binds<T>(address: ListenAddress, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in address.candidates() {
        match bind(candidate) {
            Err(error) if is_missing_family(&error) => failed = error,
            outcome => return outcome,
        }
    }
    Err(failed)
}

/// Whether the kernel has no IPv6, or this machine no IPv6 address at all, so that IPv4 is to be tried.
fn is_missing_family(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL))
}

fn bind_all(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<StdListener>)> {
    // SO_REUSEPORT would let a second balancer of the same user share the port unnoticed, and each would get half of
    // the clients. So the port is first taken without it, which fails if anybody has it.
    let alone = socket(address, Type::STREAM, SocketProtocol::TCP)?;
    alone.set_reuse_address(true)?;
    alone.bind(&address.into())?;
    drop(alone);
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = socket(address, Type::STREAM, SocketProtocol::TCP)?;
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

fn socket(address: SocketAddr, kind: Type, protocol: SocketProtocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // The unspecified IPv6 address stands for every address of the machine, IPv4's too.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
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
    pub(super) socket: StdListener,
    pub(super) number: u16,
    pub(super) service: Service,
    pub(super) told: Told,
    /// Whose connections begin with a PROXY protocol header.
    pub(super) proxies: Arc<[IpNet]>,
}
