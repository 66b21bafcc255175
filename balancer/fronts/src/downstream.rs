//! A client's connection until its session is redirected, relayed or refused: bounded in bytes and time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::rewind::Rewind;
use crate::settings::Limits;
use crate::stream::Stream;

/// Size of one read in bytes; requests and handshakes are seldom longer.
const READ_SIZE: usize = 4096;

/// Bytes of an answer that share one time limit. Nearly all answers are shorter; the server information of a large
/// fleet has megabytes, which may take longer on a slow line.
const SLICE: usize = 64 * 1024;

/// A client's connection, the bytes received on it, and the deadline of the next request.
#[derive(Debug)]
pub(crate) struct Downstream {
    pub(crate) stream: Stream,
    pub(crate) received: BytesMut,
    deadline: Instant,
    /// The latest read emptied the receive buffer.
    is_drained: bool,
}

impl Downstream {
    pub(crate) fn new(stream: Stream, decision_timeout: Duration) -> Self {
        Self { stream, received: BytesMut::new(), deadline: Instant::now() + decision_timeout, is_drained: false }
    }

    /// Receives the next bytes; returns false at the end of the stream.
    ///
    /// # Errors
    /// Those of the connection, and [`io::ErrorKind::TimedOut`] at the deadline.
    pub(crate) async fn receive(&mut self) -> io::Result<bool> {
        let read = poll_fn(|cx| {
            // On the stack, so that a waiting connection holds no read buffer.
            let mut buffer = [0; READ_SIZE];
            let mut buffer = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            self.received.extend_from_slice(buffer.filled());
            Poll::Ready(io::Result::Ok(buffer.filled().len()))
        });
        let length = timeout_at(self.deadline, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.is_drained = length < READ_SIZE;
        Ok(length > 0)
    }

    /// Sends `bytes`, with a time limit of `limit` for each 64 KiB.
    ///
    /// # Errors
    /// Those of the connection, and [`io::ErrorKind::TimedOut`] when the client does not read in time; the connection
    /// is unusable then. Without a limit, a client that does not read would hold its connection and the kernel's send
    /// buffer for ever.
    pub(crate) async fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        for slice in bytes.chunks(SLICE) {
            let sending = async {
                self.stream.write_all(slice).await?;
                // TLS buffers what the kernel does not accept; without this, nothing would send it.
                self.stream.flush().await
            };
            match timeout(limit, sending).await {
                Ok(sent) => sent?,
                Err(_) => {
                    self.stream.forget_unsent();
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(())
    }

    /// Gives the client the full time again for its next request.
    pub(crate) fn restart(&mut self, decision_timeout: Duration) {
        self.deadline = Instant::now() + decision_timeout;
    }

    /// Accepts TLS on a connection whose first bytes are a TLS handshake.
    ///
    /// # Errors
    /// Those of the connection and of TLS, and [`io::ErrorKind::TimedOut`] at the deadline.
    pub(crate) async fn accept_tls(self, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let Stream::Plain(socket) = self.stream else { return Err(io::ErrorKind::InvalidData.into()) };
        // Boxed: large, and needed by few connections.
        let accepting = Box::pin(acceptor.accept(Rewind::new(self.received, socket)));
        let stream = timeout_at(self.deadline, accepting).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self {
            stream: Stream::Tls(Box::new(stream.into())),
            received: BytesMut::new(),
            deadline: self.deadline,
            is_drained: false,
        })
    }

    /// Closes the connection of a client that has its answer and sends nothing more unless asked: at once if all its
    /// bytes were read, and otherwise as [`Downstream::finish`].
    pub(crate) async fn finish_answered(self, limits: &Limits) {
        let is_plain = matches!(self.stream, Stream::Plain(_));
        if !(is_plain && self.is_drained && self.received.is_empty()) {
            self.finish(limits).await;
        }
    }

    /// Closes the connection as [`finish`] does.
    pub(crate) async fn finish(self, limits: &Limits) {
        finish(self.stream, limits).await;
    }
}

/// Closes a connection such that the last answer arrives.
///
/// Closing a socket with unread bytes, or one that receives more later, resets the connection, and the reset can
/// overtake the answer. So this shuts down the sending side and reads until the client closes, within `[limits] linger`
/// and `linger_bytes`.
pub(crate) async fn finish(mut stream: impl AsyncRead + AsyncWrite + Unpin, limits: &Limits) {
    let finishing = async {
        stream.shutdown().await?;
        let mut left = limits.linger_bytes;
        // On the heap, so that not every connection's future has room for it.
        let mut discarded = vec![0; READ_SIZE];
        while left > 0 {
            match stream.read(&mut discarded).await? {
                0 => break,
                length => left = left.saturating_sub(length),
            }
        }
        io::Result::Ok(())
    };
    // After a timeout the client has had the answer for that long; a failed connection is closed in any case.
    let _ = timeout(limits.linger, finishing).await;
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::socket::Socket;

    #[tokio::test]
    async fn bytes_that_a_client_does_not_read_in_time_are_discarded() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::registered(listener.accept().await.unwrap().0);
        let mut downstream = Downstream::new(Stream::Plain(socket), Duration::from_secs(10));
        // More than the kernel buffers.
        let sent = downstream.send(&vec![0; 1 << 26], Duration::from_millis(100)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(downstream);
        let read = client.read_to_end(&mut Vec::new()).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
