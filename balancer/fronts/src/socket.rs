//! A TCP connection that is registered with the runtime only when it has to wait.
//!
//! Most clients have sent their request by the time they are accepted, so that they can be answered and closed at once.
//! Registering their sockets with epoll and deregistering them would be two of six system calls.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{self, Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads after which a connection is registered even if it never had to wait: the runtime's budget then keeps a client
/// that sends without pause from starving others.
const UNREGISTERED_READS: u8 = 4;

/// A TCP connection, registered with the runtime when it first has to wait.
#[derive(Debug)]
pub(crate) enum Socket {
    /// In non-blocking mode and not registered, with the number of reads left before it is.
    Unregistered(net::TcpStream, u8),
    Registered(TcpStream),
    /// Closed, because registration failed.
    Lost,
}

impl Socket {
    /// Takes a connection in non-blocking mode.
    pub(crate) fn new(stream: net::TcpStream) -> Self {
        Self::Unregistered(stream, UNREGISTERED_READS)
    }

    /// Takes a connection that is registered with the runtime.
    pub(crate) fn registered(stream: TcpStream) -> Self {
        Self::Registered(stream)
    }

    /// Registers the connection if necessary.
    ///
    /// # Errors
    /// When registration fails; the connection is closed then.
    pub(crate) fn into_registered(mut self) -> io::Result<TcpStream> {
        self.register()?;
        match self {
            Self::Registered(stream) => Ok(stream),
            Self::Unregistered(..) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The local address of the connection.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Unregistered(stream, _) => stream.local_addr(),
            Self::Registered(stream) => stream.local_addr(),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Deregisters the connection, so that another thread's runtime can register it.
    ///
    /// # Errors
    /// When deregistration fails; the connection is closed then.
    pub(crate) fn detach(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Self::Lost) {
            Self::Registered(stream) => *self = Self::new(stream.into_std()?),
            other => *self = other,
        }
        Ok(())
    }

    /// Takes the error of the connection, if it has failed since the last call (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        match self {
            Self::Unregistered(stream, _) => stream.take_error().ok().flatten(),
            Self::Registered(stream) => stream.take_error().ok().flatten(),
            Self::Lost => Some(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Makes the kernel discard unsent bytes when this is dropped. Otherwise it would keep up to megabytes of them for
    /// minutes, for a connection that no longer counts against any limit.
    pub(crate) fn forget_unsent(&self) {
        let now = Some(Duration::ZERO);
        // Fails only for a connection that is already closed.
        let _ = match self {
            Self::Unregistered(stream, _) => socket2::SockRef::from(stream).set_linger(now),
            Self::Registered(stream) => socket2::SockRef::from(stream).set_linger(now),
            Self::Lost => Ok(()),
        };
    }

    /// Closes the sending direction.
    fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Unregistered(stream, _) => stream.shutdown(Shutdown::Write),
            Self::Registered(stream) => socket2::SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Lost => Ok(()),
        }
    }

    fn register(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Self::Lost) {
            Self::Unregistered(stream, _) => *self = Self::Registered(TcpStream::from_std(stream)?),
            other => *self = other,
        }
        Ok(())
    }

    /// Tries the operation on an unregistered connection; registers it if it would block.
    fn poll<T>(
        &mut self,
        unregistered: impl FnOnce(&mut net::TcpStream) -> io::Result<T>,
        registered: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Self::Unregistered(stream, _) = self {
            match unregistered(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.register()?,
                outcome => return Poll::Ready(outcome),
            }
        }
        match self {
            Self::Registered(stream) => registered(Pin::new(stream)),
            Self::Unregistered(..) | Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Unregistered(_, 0) => self.register()?,
            Self::Unregistered(stream, reads) => match stream.read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.register()?,
                outcome => {
                    let length = outcome?;
                    // A short read has emptied the receive buffer: the next one would block.
                    *reads = if length < buffer.remaining() { 0 } else { *reads - 1 };
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
            },
            Self::Registered(_) | Self::Lost => {}
        }
        match &mut *self {
            Self::Registered(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unregistered(..) | Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.write(bytes), |stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.write_vectored(parts), |stream| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown())
    }
}
