//! A TCP connection that the runtime learns of only when it has to be waited for.
//!
//! Most clients have sent their request when they are accepted, and can be answered and forgotten there and then. To
//! register their socket with epoll, and to take it out again, would be two of six system calls.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{self, Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// After so many reads a connection is registered all the same: the runtime sees to it that a client that never stops
/// sending does not keep the others waiting.
const READS_AT_ONCE: u8 = 4;

/// A TCP connection, registered with the runtime when it first has to be waited for.
#[derive(Debug)]
pub(super) enum Socket {
    /// In non-blocking mode, and not registered; it may be read so many times more at once.
    Fresh(net::TcpStream, u8),
    Registered(TcpStream),
    /// Could not be registered, and is closed.
    Lost,
}

impl Socket {
    /// A connection in non-blocking mode.
    pub(super) fn new(stream: net::TcpStream) -> Self {
        Self::Fresh(stream, READS_AT_ONCE)
    }

    /// A connection that the runtime knows already.
    pub(super) fn registered(stream: TcpStream) -> Self {
        Self::Registered(stream)
    }

    /// The connection as the runtime knows it.
    ///
    /// # Errors
    /// When it cannot be registered; it is closed then.
    pub(super) fn into_registered(mut self) -> io::Result<TcpStream> {
        self.register()?;
        match self {
            Self::Registered(stream) => Ok(stream),
            Self::Fresh(..) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The address of this machine that it is connected to.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Fresh(stream, _) => stream.local_addr(),
            Self::Registered(stream) => stream.local_addr(),
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Takes the connection out of the runtime, for another thread's to learn of it.
    ///
    /// # Errors
    /// When it cannot be taken out; it is closed then.
    pub(super) fn detach(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Self::Lost) {
            Self::Registered(stream) => *self = Self::new(stream.into_std()?),
            other => *self = other,
        }
        Ok(())
    }

    /// How the connection has failed, if it has since this was last asked.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        match self {
            Self::Fresh(stream, _) => stream.take_error().ok().flatten(),
            Self::Registered(stream) => stream.take_error().ok().flatten(),
            Self::Lost => Some(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Has the kernel throw away what the peer has not taken when this is dropped. Otherwise it would keep that for
    /// minutes, megabytes of it, and count it as nobody's connection.
    pub(super) fn forget_unsent(&self) {
        let now = Some(Duration::ZERO);
        // One that fails is gone already.
        let _ = match self {
            Self::Fresh(stream, _) => socket2::SockRef::from(stream).set_linger(now),
            Self::Registered(stream) => socket2::SockRef::from(stream).set_linger(now),
            Self::Lost => Ok(()),
        };
    }

    /// Tells the peer that nothing more will come.
    fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Fresh(stream, _) => stream.shutdown(Shutdown::Write),
            Self::Registered(stream) => socket2::SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Lost => Ok(()),
        }
    }

    fn register(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Self::Lost) {
            Self::Fresh(stream, _) => *self = Self::Registered(TcpStream::from_std(stream)?),
            other => *self = other,
        }
        Ok(())
    }

    /// Does at once what can be done at once; otherwise what the registered connection does.
    fn poll<T>(
        &mut self,
        at_once: impl FnOnce(&mut net::TcpStream) -> io::Result<T>,
        registered: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Self::Fresh(stream, _) = self {
            match at_once(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.register()?,
                outcome => return Poll::Ready(outcome),
            }
        }
        match self {
            Self::Registered(stream) => registered(Pin::new(stream)),
            Self::Fresh(..) | Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Fresh(_, 0) => self.register()?,
            Self::Fresh(stream, reads) => match stream.read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.register()?,
                outcome => {
                    let length = outcome?;
                    // What comes after all that there was has to be waited for.
                    *reads = if length < buffer.remaining() { 0 } else { *reads - 1 };
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
            },
            Self::Registered(_) | Self::Lost => {}
        }
        match &mut *self {
            Self::Registered(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Fresh(..) | Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
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
