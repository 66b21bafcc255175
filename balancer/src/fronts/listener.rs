//! Sockets for clients, and the loop that accepts.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::config::Listener;
use crate::config::address::ListenAddress;
use crate::fleet::Protocol;
use crate::fronts::detect::{Detection, Detector};
use crate::fronts::incoming::Incoming;
use crate::fronts::redirect::Told;
use crate::fronts::stream::Stream;
use crate::fronts::{Client, Front, Shared, http, rtmp, rtsp};

/// Connections that the kernel keeps for a worker that is busy. A burst of clients beyond it is retried by their
/// systems after a second.
const BACKLOG: i32 = 4096;

/// How long to wait when no file descriptor is left for the next client, before looking again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// One port for clients: a socket for each worker.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens.
    pub address: SocketAddr,
    /// What may be spoken there.
    pub protocols: Vec<Protocol>,
    told: Told,
    sockets: Vec<StdListener>,
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
    Ok(Bound { address, protocols: listener.protocols.clone(), told, sockets })
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
    for Bound { address, protocols, told, sockets } in bound {
        let protocols: Arc<[Protocol]> = protocols.into();
        for (ports, socket) in of_worker.iter_mut().zip(sockets) {
            ports.push(Port { socket, number: address.port(), protocols: Arc::clone(&protocols), told });
        }
    }
    of_worker
}

/// One worker's socket of one listener.
#[derive(Debug)]
pub struct Port {
    socket: StdListener,
    number: u16,
    protocols: Arc<[Protocol]>,
    told: Told,
}

/// Accepts clients on `port` until it is cancelled.
///
/// # Errors
/// When the socket cannot be used at all.
pub async fn accept(port: Port, front: Arc<Front>) -> io::Result<()> {
    let listener = TcpListener::from_std(port.socket)?;
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_if_exhausted(&error).await;
                continue;
            }
        };
        let Some(place) = Place::take(&front.shared) else {
            front.metrics().reject_client("unknown", "too-many-connections");
            continue;
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let client = Client { address, listener_port: port.number, is_secure: false, told: port.told };
        let (front, protocols) = (Arc::clone(&front), Arc::clone(&port.protocols));
        tokio::spawn(async move {
            serve(front, client, &protocols, stream).await;
            drop(place);
        });
    }
}

/// Without a file descriptor for the next client, `accept` fails at once again and again: others need a chance to close.
async fn pause_if_exhausted(error: &io::Error) {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    if matches!(code, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NOBUFS)) {
        warn!(%error, "no client can be accepted: raise the limit of open files, or lower [limits] connections");
        tokio::time::sleep(EXHAUSTED_PAUSE).await;
    } else {
        // The client has gone already (accept(2), "Error handling").
        debug!(%error, "a client could not be accepted");
    }
}

/// Tells the protocol of a connection, and hands it to that protocol's front.
async fn serve(front: Arc<Front>, client: Client, admitted: &[Protocol], stream: TcpStream) {
    // An answer is one small write: there is nothing to gather. Without this option the connection works too.
    let _ = stream.set_nodelay(true);
    let mut incoming = Incoming::new(Stream::Plain(stream), front.limits().decision_timeout);
    let rejected = |reason| front.metrics().reject_client("unknown", reason);
    let mut detector = Detector::default();
    let protocol = loop {
        match detector.advance(&incoming.received) {
            Detection::NeedMore => {}
            Detection::Http => break Protocol::Http,
            Detection::Rtmp => break Protocol::Rtmp,
            Detection::Rtsp => break Protocol::Rtsp,
            Detection::Tls => return rejected("tls"),
            Detection::Unknown => return rejected("unknown-protocol"),
        }
        match incoming.receive().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return rejected("timeout"),
            Err(_) => return,
        }
    };
    if !admitted.contains(&protocol) {
        return front.metrics().reject_client(protocol.name(), "not-admitted");
    }
    match protocol {
        Protocol::Http => http::serve(front, client, incoming).await,
        Protocol::Rtmp => rtmp::serve(front, client, incoming).await,
        Protocol::Rtsp => rtsp::serve(front, client, incoming).await,
    }
}

/// One of the connections that may be open at a time.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        shared.metrics.connections.inc();
        let open = shared.open_connections.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(shared));
        shared.metrics.open_connections.inc();
        // Dropping the place gives it back.
        (open < shared.limits.connections).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.open_connections.dec();
    }
}
