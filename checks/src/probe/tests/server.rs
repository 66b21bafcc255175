//! A server for one connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A server that accepts one connection.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    received: JoinHandle<String>,
}

impl Server {
    /// Reads until the input ends with `until`, then sends `pieces` and closes.
    pub(super) async fn responding(until: &'static str, pieces: &'static [&'static str]) -> Self {
        Self::start(until, pieces, None).await
    }

    /// The same over TLS.
    pub(super) async fn secure(until: &'static str, pieces: &'static [&'static str], tls: Arc<ServerConfig>) -> Self {
        Self::start(until, pieces, Some(tls)).await
    }

    async fn start(until: &'static str, pieces: &'static [&'static str], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match tls {
                None => converse(stream, until, pieces).await,
                Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
                    Ok(stream) => converse(stream, until, pieces).await,
                    Err(error) => error.to_string(),
                },
            }
        });
        Self { address, received }
    }

    /// Everything that the server has read.
    pub(super) async fn received(self) -> String {
        self.received.await.unwrap()
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, until: &str, pieces: &[&str]) -> String {
    let mut received = Vec::new();
    while !received.ends_with(until.as_bytes()) {
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            break;
        }
    }
    for piece in pieces {
        // The probe may have closed the connection already.
        let _ = stream.write_all(piece.as_bytes()).await;
        let _ = stream.flush().await;
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
    String::from_utf8_lossy(&received).into_owned()
}
