//! A connection to a client or an edge: plain, over TLS, or in an RTSP tunnel.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::rewind::Rewind;
use crate::rtsp::tunnel::TunnelStream;
use crate::socket::Socket;

/// A connection: plain, over TLS, or in an RTSP tunnel.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    /// With the bytes that were read ahead for detection. Boxed: TLS has 1 KiB of state, and few connections use it.
    Tls(Box<TlsStream<Rewind<Socket>>>),
    /// RTSP tunnelled in a pair of HTTP connections.
    Tunnelled(Box<TunnelStream<Self>>),
}

impl Stream {
    /// The local address of the connection.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(socket) => socket.local_address(),
            Self::Tls(stream) => stream.get_ref().0.inner().local_address(),
            Self::Tunnelled(stream) => stream.local_address(),
        }
    }

    /// Deregisters the connection, so that another thread's runtime can register it.
    ///
    /// # Errors
    /// When deregistration fails, and for a tunnel.
    pub(crate) fn detach(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.detach(),
            Self::Tls(stream) => stream.get_mut().0.inner_mut().detach(),
            // Consists of two connections, and is never moved to another thread.
            Self::Tunnelled(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Makes the kernel discard unsent bytes when this is dropped.
    pub(crate) fn forget_unsent(&self) {
        match self {
            Self::Plain(socket) => socket.forget_unsent(),
            Self::Tls(stream) => stream.get_ref().0.inner().forget_unsent(),
            Self::Tunnelled(stream) => stream.forget_unsent(),
        }
    }

    /// Takes the error of the connection, if it has failed since the last call.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        match self {
            Self::Plain(socket) => socket.take_error(),
            Self::Tls(stream) => stream.get_ref().0.inner().take_error(),
            Self::Tunnelled(stream) => stream.take_error(),
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $call,
            Stream::Tls($stream) => $call,
            Stream::Tunnelled($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Tunnelled(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
