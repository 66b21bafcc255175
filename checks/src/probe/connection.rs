//! A TCP connection to a server, with TLS if need be.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use socket2::Type;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::deadline::Deadline;
use super::{socket, tls};
use crate::check::Tls;
use crate::failure::Awaited;
use crate::{Failure, ProbeOptions};

/// So many bytes are read at once.
const CHUNK: usize = 4096;

/// What bytes are read from and written to.
pub(super) trait Bidirectional: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bidirectional for T {}

/// A connection to a server.
pub(super) struct Connection(Box<dyn Bidirectional>);

impl Connection {
    /// Connects, and agrees on TLS.
    pub(super) async fn open(
        target: SocketAddr,
        tls: Option<&Tls>,
        options: ProbeOptions,
        deadline: Deadline,
    ) -> Result<Self, Failure> {
        let unconnected = TcpSocket::from_std_stream(socket::open(target, Type::STREAM, options)?.into());
        let connected =
            async { unconnected.connect(target).await.map_err(|error| socket::unconnected(error, options)) };
        let stream = deadline.within(Awaited::Connection, connected).await?;
        // Where nobody listens, a connection within one machine may happen upon its own port, and meet itself.
        if stream.local_addr()? == target {
            return Err(Failure::Refused);
        }
        // Without this option it works too.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Self(Box::new(stream))) };
        let config = tls::client_config(tls.verify).map_err(|error| Failure::Ours(format!("tls: {error}")))?;
        let name = match &tls.host {
            Some(host) => ServerName::try_from(host.clone()).map_err(|error| Failure::Ours(error.to_string()))?,
            None => ServerName::from(target.ip()),
        };
        let agreed = async {
            let agreed = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
            agreed.map_err(|error| Failure::Tls(error.to_string()))
        };
        Ok(Self(Box::new(deadline.within(Awaited::Tls, agreed).await?)))
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).await?;
        Ok(self.0.flush().await?)
    }

    /// What comes next.
    pub(super) async fn read(&mut self) -> Result<Bytes, Failure> {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let length = self.0.read_buf(&mut buffer).await?;
        if length == 0 { Err(Failure::Closed) } else { Ok(buffer.freeze()) }
    }

    /// Exactly so many bytes.
    pub(super) async fn read_exact<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Failure> {
        let mut bytes = [0; LENGTH];
        self.0.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    pub(super) fn into_inner(self) -> Box<dyn Bidirectional> {
        self.0
    }
}
