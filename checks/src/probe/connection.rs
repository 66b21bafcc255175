//! TCP connections to servers, with or without TLS.

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
use crate::failure::Phase;
use crate::{Failure, ProbeOptions};

/// Buffer size of a read, in bytes.
const CHUNK: usize = 4096;

/// A stream in both directions, plain or encrypted.
pub(super) trait Bidirectional: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bidirectional for T {}

/// A connection to a server.
pub(super) struct Connection(Box<dyn Bidirectional>);

impl Connection {
    /// Connects, and completes the TLS handshake if there are TLS settings.
    pub(super) async fn open(
        target: SocketAddr,
        tls: Option<&Tls>,
        options: ProbeOptions,
        deadline: Deadline,
    ) -> Result<Self, Failure> {
        let unconnected = TcpSocket::from_std_stream(socket::open(target, Type::STREAM, options)?.into());
        let connected =
            async { unconnected.connect(target).await.map_err(|error| socket::connect_failure(error, options)) };
        let stream = deadline.within(Phase::Connect, connected).await?;
        // Without a listener, a connection within one machine can connect to its own source port (TCP simultaneous
        // open).
        if stream.local_addr()? == target {
            return Err(Failure::Refused);
        }
        // The option only saves time: the probe also works without it.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Self(Box::new(stream))) };
        let config = tls::client_config(tls.verify).map_err(|error| Failure::Local(format!("tls: {error}")))?;
        let name = match &tls.host {
            Some(host) => ServerName::try_from(host.clone()).map_err(|error| Failure::Local(error.to_string()))?,
            None => ServerName::from(target.ip()),
        };
        let handshake = async {
            let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
            stream.map_err(|error| Failure::Tls(error.to_string()))
        };
        Ok(Self(Box::new(deadline.within(Phase::Tls, handshake).await?)))
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).await?;
        Ok(self.0.flush().await?)
    }

    /// Reads the next bytes.
    pub(super) async fn read(&mut self) -> Result<Bytes, Failure> {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let length = self.0.read_buf(&mut buffer).await?;
        if length == 0 { Err(Failure::Closed) } else { Ok(buffer.freeze()) }
    }

    /// Reads exactly `LENGTH` bytes.
    pub(super) async fn read_exact<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Failure> {
        let mut bytes = [0; LENGTH];
        self.0.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    pub(super) fn into_inner(self) -> Box<dyn Bidirectional> {
        self.0
    }
}
