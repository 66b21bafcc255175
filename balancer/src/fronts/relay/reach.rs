//! A connection to one edge: its name looked up, TCP connected, TLS shaken hands over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

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

/// Connects within `limit`.
pub(super) async fn reach(peer: Peer<'_>, tls: &Arc<ClientConfig>, limit: Duration) -> io::Result<Stream> {
    timeout(limit, connect(peer, tls)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn connect(peer: Peer<'_>, tls: &Arc<ClientConfig>) -> io::Result<Stream> {
    let stream = TcpStream::connect((peer.host, peer.port)).await?;
    stream.set_nodelay(true)?;
    if !peer.is_secure {
        return Ok(Stream::Plain(Socket::registered(stream)));
    }
    let name = ServerName::try_from(peer.host.to_owned()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let stream = Rewind::new(BytesMut::new(), Socket::registered(stream));
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(stream.into())))
}
