//! A connection to one edge: its name looked up, TCP connected, the client named, and TLS agreed on.

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

/// So many addresses of one host are tried. More than a pair for each family is a pool of hosts, of which the resolver
/// gives others first the next time.
const CANDIDATES: usize = 4;

/// What is connected to, and for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer<'a> {
    /// A name, or an address without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) is_secure: bool,
    /// The client, and the address of this balancer that it connected to.
    pub(super) addresses: Addresses,
}

/// How edges are connected to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    pub(super) tls: &'a Arc<ClientConfig>,
    /// Where this balancer itself listens for clients.
    pub(super) own: &'a [SocketAddr],
    pub(super) proxy_protocol: Option<ProxyProtocol>,
    /// How long all of it may take.
    pub(super) limit: Duration,
}

/// Why an edge is not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No port is known to connect to.
    #[error("no port is known")]
    NoPort,
    /// Its name cannot be looked up, or has no address.
    #[error("its name cannot be looked up: {0}")]
    Resolve(io::Error),
    /// It is where this balancer listens: each relay would lead to the next, until no socket is left.
    #[error("it is this balancer itself: look at the edge's redirect address")]
    Loop,
    /// It refuses the connection.
    #[error("it refuses the connection")]
    Refused,
    /// It cannot be connected to otherwise.
    #[error("{0}")]
    Connect(io::Error),
    /// No file descriptor, port or memory is left here: it is not the edge's fault.
    #[error("{0}")]
    Exhausted(io::Error),
    /// It does not speak TLS as it should, or shows a certificate that is not believed.
    #[error("tls: {0}")]
    Tls(io::Error),
    /// It does not answer in time.
    #[error("it does not answer in time")]
    Timeout,
    /// It can be reached, and does not say what every edge of its protocol says first.
    #[error("{0}")]
    Greeting(io::Error),
    /// It does not go on with what this client has said. It may with others.
    #[error("it does not go on with this client: {0}")]
    Declined(io::Error),
}

impl Error {
    fn of_connect(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::CONNREFUSED) => Self::Refused,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL) => {
                Self::Exhausted(error)
            }
            _ => Self::Connect(error),
        }
    }

    /// Whether another edge could not be reached either.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Exhausted(_))
    }

    /// Whether the next client is to be spared the attempt. What a client has said must not be a reason for it: one that
    /// asks every edge for what none has would keep all others away from them.
    pub(super) fn is_the_edge_s(&self) -> bool {
        !matches!(self, Self::Exhausted(_) | Self::Declined(_))
    }

    /// A stable name for metrics.
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

/// Connects within the limit.
pub(super) async fn reach(peer: Peer<'_>, manner: Manner<'_>) -> Result<Stream, Error> {
    timeout(manner.limit, reach_at_leisure(peer, manner)).await.map_err(|_| Error::Timeout)?
}

async fn reach_at_leisure(peer: Peer<'_>, manner: Manner<'_>) -> Result<Stream, Error> {
    let mut stream = connect(peer, manner).await?;
    let mut header = Vec::new();
    match manner.proxy_protocol {
        None => {}
        Some(ProxyProtocol::V1) => write_v1(&peer.addresses, &mut header),
        Some(ProxyProtocol::V2) => write_v2(&peer.addresses, &mut header),
    }
    // Ahead of everything, TLS included (the specification's section 2).
    stream.write_all(&header).await.map_err(Error::Connect)?;
    let socket = Socket::registered(stream);
    if !peer.is_secure {
        return Ok(Stream::Plain(socket));
    }
    let name = ServerName::try_from(peer.host.to_owned()).map_err(|error| Error::Tls(io::Error::other(error)))?;
    let connecting = TlsConnector::from(Arc::clone(manner.tls)).connect(name, Rewind::new(BytesMut::new(), socket));
    // Boxed, since few connections need the room.
    let stream = Box::pin(connecting).await.map_err(Error::Tls)?;
    Ok(Stream::Tls(Box::new(stream.into())))
}

/// Connects to the first address of the host that answers. Each has an equal share of the time that is left when its turn
/// comes, so that one that does not answer leaves some for the next.
async fn connect(peer: Peer<'_>, manner: Manner<'_>) -> Result<TcpStream, Error> {
    let end = Instant::now() + manner.limit;
    let found = lookup_host((peer.host, peer.port)).await.map_err(Error::Resolve)?;
    let candidates: SmallVec<[SocketAddr; CANDIDATES]> = found.take(CANDIDATES).collect();
    let mut failed = Error::Resolve(io::ErrorKind::NotFound.into());
    for (candidate, left) in candidates.iter().zip((1..=candidates.len()).rev()) {
        let now = Instant::now();
        let share = (end - now) / u32::try_from(left).unwrap_or(1);
        failed = match timeout_at(now + share, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) if is_own(&stream, manner.own) => Error::Loop,
            Ok(Ok(stream)) => {
                // Media is not to wait for more of it. Without this option the connection works too.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => Error::of_connect(error),
            Err(_) => Error::Timeout,
        };
    }
    Err(failed)
}

/// Whether the connection has ended at one of the sockets that listen at `own`.
fn is_own(stream: &TcpStream, own: &[SocketAddr]) -> bool {
    let addresses = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
    // One that has ended already is none of them for long.
    addresses.is_ok_and(|(local, peer)| is_one_of(own, local, peer))
}

fn is_one_of(own: &[SocketAddr], local: SocketAddr, peer: SocketAddr) -> bool {
    let ip = peer.ip().to_canonical();
    // From one address of a machine to another of its own the kernel takes the same for both, but for loopback.
    let is_local = ip.is_loopback() || ip == local.ip().to_canonical();
    let is_at = |own: &SocketAddr| own.ip().is_unspecified() || own.ip().to_canonical() == ip;
    is_local && own.iter().any(|own| own.port() == peer.port() && is_at(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_of_the_balancer_s_own_is_one() {
        let own = ["[::]:1935", "127.0.0.1:80"].map(|address| address.parse().unwrap());
        let is_own = |local: &str, peer: &str| is_one_of(&own, local.parse().unwrap(), peer.parse().unwrap());
        assert!(is_own("127.0.0.1:50000", "127.0.0.1:1935"));
        assert!(is_own("127.0.0.1:50000", "127.0.0.5:1935"));
        assert!(is_own("[::1]:50000", "[::1]:1935"));
        assert!(is_own("192.0.2.1:50000", "192.0.2.1:1935"));
        assert!(is_own("127.0.0.1:50000", "127.0.0.1:80"));
        assert!(!is_own("127.0.0.1:50000", "127.0.0.2:80"), "another program's");
        assert!(!is_own("192.0.2.1:50000", "192.0.2.2:1935"), "another machine");
        assert!(!is_own("127.0.0.1:50000", "127.0.0.1:1936"), "another port");
    }
}
