//! A connection, plain, over TLS or in a tunnel, to a client or to an edge.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::rewind::Rewind;
use crate::rtsp::tunnel::Joined;
use crate::socket::Socket;

/// A connection, plain, over TLS or in a tunnel.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    /// What was read to tell that it is TLS comes first. Boxed, since TLS takes 1 KiB of state, and few have it.
    Tls(Box<TlsStream<Rewind<Socket>>>),
    /// RTSP in a pair of HTTP connections.
    Tunnelled(Box<Joined>),
}

impl Stream {
    /// The address of this machine that it is connected to.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(socket) => socket.local_address(),
            Self::Tls(stream) => stream.get_ref().0.inner().local_address(),
            Self::Tunnelled(stream) => stream.local_address(),
        }
    }

    /// Takes the connection out of this thread's runtime, for another thread's to learn of it.
    ///
    /// # Errors
    /// When it cannot be taken out.
    pub(super) fn detach(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.detach(),
            Self::Tls(stream) => stream.get_mut().0.inner_mut().detach(),
            // Made of two, and never given away.
            Self::Tunnelled(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Has the kernel throw away what the peer has not taken when this is dropped.
    pub(super) fn forget_unsent(&self) {
        match self {
            Self::Plain(socket) => socket.forget_unsent(),
            Self::Tls(stream) => stream.get_ref().0.inner().forget_unsent(),
            Self::Tunnelled(stream) => stream.forget_unsent(),
        }
    }

    /// How the connection has failed, if it has since this was last asked.
    pub(super) fn take_error(&self) -> Option<io::Error> {
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
