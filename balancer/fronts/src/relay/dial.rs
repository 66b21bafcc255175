//! Connects to one edge: name resolution, TCP, PROXY protocol header, TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustix::io::Errno;
use smallvec::SmallVec;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::proxy_protocol::{Addresses, write_v1, write_v2};
use crate::rewind::Rewind;
use crate::settings::ProxyProtocol;
use crate::socket::Socket;
use crate::stream::Stream;

/// Maximum number of addresses of a host that are tried. More than two of each family are a pool of hosts, and the
/// resolver returns them in another order next time.
const CANDIDATES: usize = 4;

/// The server to connect to, and the connection of the client that it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer<'a> {
    /// A name, or an address without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) is_secure: bool,
    /// The client's address, and the address of this balancer that it connected to.
    pub(super) addresses: Addresses,
}

/// Options that are the same for all edges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) tls: &'a Arc<ClientConfig>,
    /// Addresses of the client listeners.
    pub(super) listening: &'a [SocketAddr],
    pub(super) proxy_protocol: Option<ProxyProtocol>,
    /// Time limit for all steps together.
    pub(super) timeout: Duration,
}

/// Why a connection to an edge failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Neither the edge nor the configuration defines a port.
    #[error("no port known; have the agent advertise an endpoint")]
    NoPort,
    /// The host cannot be resolved, or has no address.
    #[error("name resolution failed: {0}")]
    Resolve(io::Error),
    /// The address is a listener of this balancer: each relayed session would open the next, until no socket is left.
    #[error("address is a listener of this balancer; check the edge's redirect address")]
    Loop,
    /// The connection was refused.
    #[error("connection refused")]
    Refused,
    /// TCP failed in another way.
    #[error("{0}")]
    Connect(io::Error),
    /// This machine has no file descriptor, port or memory left; the edge is not at fault.
    #[error("out of local resources: {0}")]
    Exhausted(io::Error),
    /// The TLS handshake failed, or the certificate is not trusted.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The edge did not respond within the time limit.
    #[error("timeout")]
    Timeout,
    /// The edge is reachable, but does not begin its protocol correctly.
    #[error("{0}")]
    Greeting(io::Error),
    /// The edge closed after the client's own messages; it may accept other clients.
    #[error("declined this client: {0}")]
    Declined(io::Error),
}

impl Error {
    fn from_connect(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::CONNREFUSED) => Self::Refused,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL) => {
                Self::Exhausted(error)
            }
            _ => Self::Connect(error),
        }
    }

    /// Whether the cause is local, so that connecting to another edge would fail as well.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }

    /// Whether the edge should be skipped for other clients. Not if the cause may be this client's messages: a client
    /// that requests from every edge what none has would make all edges unavailable to others.
    pub(super) fn marks_edge_unreachable(&self) -> bool {
        !matches!(self, Self::Exhausted(_) | Self::Declined(_))
    }

    /// The `reason` label in the metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoPort => "no-port",
            Self::Resolve(_) => "resolve",
            Self::Loop => "loop",
            Self::Refused => "refused",
            Self::Connect(_) => "connect",
            Self::Exhausted(_) => "exhausted",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Greeting(_) => "greeting",
            Self::Declined(_) => "declined",
        }
    }
}

/// Connects within the time limit.
pub(super) async fn dial(peer: Peer<'_>, options: Options<'_>) -> Result<Stream, Error> {
    timeout(options.timeout, dial_without_limit(peer, options)).await.map_err(|_| Error::Timeout)?
}

async fn dial_without_limit(peer: Peer<'_>, options: Options<'_>) -> Result<Stream, Error> {
    let mut stream = connect(peer, options).await?;
    let mut header = Vec::new();
    match options.proxy_protocol {
        None => {}
        Some(ProxyProtocol::V1) => write_v1(&peer.addresses, &mut header),
        Some(ProxyProtocol::V2) => write_v2(&peer.addresses, &mut header),
    }
    // Ahead of everything, TLS included (section 2 of the specification).
    stream.write_all(&header).await.map_err(Error::Connect)?;
    let socket = Socket::registered(stream);
    if !peer.is_secure {
        return Ok(Stream::Plain(socket));
    }
    let name = ServerName::try_from(peer.host.to_owned()).map_err(|error| Error::Tls(io::Error::other(error)))?;
    let connecting = TlsConnector::from(Arc::clone(options.tls)).connect(name, Rewind::new(BytesMut::new(), socket));
    // Boxed: large, and needed by few connections.
    let stream = Box::pin(connecting).await.map_err(Error::Tls)?;
    Ok(Stream::Tls(Box::new(stream.into())))
}

/// Connects to the first address of the host that responds. Each gets an equal share of the time that is left, so that
/// one that does not respond leaves time for the next.
async fn connect(peer: Peer<'_>, options: Options<'_>) -> Result<TcpStream, Error> {
    let end = Instant::now() + options.timeout;
    let addresses = lookup_host((peer.host, peer.port)).await.map_err(Error::Resolve)?;
    let candidates: SmallVec<[SocketAddr; CANDIDATES]> = addresses.take(CANDIDATES).collect();
    let mut error = Error::Resolve(io::ErrorKind::NotFound.into());
    for (candidate, left) in candidates.iter().zip((1..=candidates.len()).rev()) {
        let now = Instant::now();
        let share = (end - now) / u32::try_from(left).unwrap_or(1);
        error = match timeout_at(now + share, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) if is_own_listener(&stream, options.listening) => Error::Loop,
            Ok(Ok(stream)) => {
                // Media must not wait for more. The connection works without this option, too.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => Error::from_connect(error),
            Err(_) => Error::Timeout,
        };
    }
    Err(error)
}

/// Whether the connection leads to one of the client listeners.
fn is_own_listener(stream: &TcpStream, listening: &[SocketAddr]) -> bool {
    let addresses = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
    // A connection that has already ended cannot loop.
    addresses.is_ok_and(|(local, peer)| is_one_of(listening, local, peer))
}

fn is_one_of(listening: &[SocketAddr], local: SocketAddr, peer: SocketAddr) -> bool {
    let ip = peer.ip().to_canonical();
    // For a connection to an address of the same machine, the kernel uses that address as the source, too, except for
    // loopback addresses.
    let is_this_machine = ip.is_loopback() || ip == local.ip().to_canonical();
    let is_at = |own: &SocketAddr| own.ip().is_unspecified() || own.ip().to_canonical() == ip;
    is_this_machine && listening.iter().any(|own| own.port() == peer.port() && is_at(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_balancer_s_own_listeners_are_recognised() {
        let listening = ["[::]:1935", "127.0.0.1:80"].map(|address| address.parse().unwrap());
        let is_listener =
            |local: &str, peer: &str| is_one_of(&listening, local.parse().unwrap(), peer.parse().unwrap());
        assert!(is_listener("127.0.0.1:50000", "127.0.0.1:1935"));
        assert!(is_listener("127.0.0.1:50000", "127.0.0.5:1935"));
        assert!(is_listener("[::1]:50000", "[::1]:1935"));
        assert!(is_listener("192.0.2.1:50000", "192.0.2.1:1935"));
        assert!(is_listener("127.0.0.1:50000", "127.0.0.1:80"));
        assert!(!is_listener("127.0.0.1:50000", "127.0.0.2:80"), "another program");
        assert!(!is_listener("192.0.2.1:50000", "192.0.2.2:1935"), "another machine");
        assert!(!is_listener("127.0.0.1:50000", "127.0.0.1:1936"), "another port");
    }
}
