//! A connection to one edge: its name looked up, TCP connected, TLS shaken hands over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tracing::warn;

use crate::fronts::rewind::Rewind;
use crate::fronts::socket::Socket;
use crate::fronts::stream::Stream;

/// What is connected to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer<'a> {
    /// A name, or an address without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) is_secure: bool,
}

/// Connects within `limit`; never to one of this balancer's `own` sockets.
pub(super) async fn reach(
    peer: Peer<'_>,
    tls: &Arc<ClientConfig>,
    own: &[SocketAddr],
    limit: Duration,
) -> io::Result<Stream> {
    timeout(limit, connect(peer, tls, own)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn connect(peer: Peer<'_>, tls: &Arc<ClientConfig>, own: &[SocketAddr]) -> io::Result<Stream> {
    let stream = TcpStream::connect((peer.host, peer.port)).await?;
    if is_one_of(own, stream.local_addr()?, stream.peer_addr()?) {
        warn!(host = peer.host, port = peer.port, "this edge is the balancer itself: look at its redirect address");
        return Err(io::Error::other("the balancer would relay to itself"));
    }
    stream.set_nodelay(true)?;
    if !peer.is_secure {
        return Ok(Stream::Plain(Socket::registered(stream)));
    }
    let name = ServerName::try_from(peer.host.to_owned()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let stream = Rewind::new(BytesMut::new(), Socket::registered(stream));
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(stream.into())))
}

/// Whether a connection from `local` to `peer` has ended at one of the sockets that listen at `own`: each relay would lead to
/// the next, until no socket is left.
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
