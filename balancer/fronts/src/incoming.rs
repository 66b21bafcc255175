//! A client's connection until it is known what the client wants: bounded in bytes and time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use weir_fleet::Protocol;

use crate::Front;
use crate::rewind::Rewind;
use crate::settings::Limits;
use crate::stream::Stream;

/// How many bytes are taken in at a time; a request or a handshake seldom has more.
const CHUNK: usize = 4096;

/// How many bytes of an answer are sent in one time limit. Nearly all have fewer; the pool of a large fleet has megabytes,
/// which a slow line may take longer for.
const SLICE: usize = 64 * 1024;

/// Why clients are turned away that do not take their answers, as a metric label.
pub(super) const SLOW_READER: &str = "slow-reader";

/// A connection, what has been received on it, and until when the client has to say what it wants.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) stream: Stream,
    pub(super) received: BytesMut,
    deadline: Instant,
    /// The last read took in all that there was.
    is_drained: bool,
}

impl Incoming {
    pub(super) fn new(stream: Stream, decision_timeout: Duration) -> Self {
        Self { stream, received: BytesMut::new(), deadline: Instant::now() + decision_timeout, is_drained: false }
    }

    /// Takes in what the client has sent next; false when it will send no more.
    ///
    /// # Errors
    /// Those of the connection, and [`io::ErrorKind::TimedOut`] when the time to decide is over.
    pub(super) async fn receive(&mut self) -> io::Result<bool> {
        let read = poll_fn(|cx| {
            // On the stack, which is there anyway: a connection that waits holds no buffer for what may come.
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            self.received.extend_from_slice(chunk.filled());
            Poll::Ready(io::Result::Ok(chunk.filled().len()))
        });
        let length = timeout_at(self.deadline, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.is_drained = length < CHUNK;
        Ok(length > 0)
    }

    /// Sends an answer, which the client has as long to take as it had to ask. One that does not take it is counted.
    ///
    /// # Errors
    /// Those of [`Incoming::send`].
    pub(super) async fn answer(&mut self, front: &Front, protocol: Protocol, bytes: &[u8]) -> io::Result<()> {
        let sent = self.send(bytes, front.limits().decision_timeout).await;
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            front.metrics().reject_client(protocol.name(), SLOW_READER);
        }
        sent
    }

    /// Sends all of this, for each [`SLICE`] of which the client has `limit`.
    ///
    /// # Errors
    /// Those of the connection, and [`io::ErrorKind::TimedOut`] when the client has not taken it by then: one that reads
    /// nothing would otherwise keep its connection, and what the kernel holds for it, for ever. The connection is of no
    /// use then.
    pub(super) async fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        for slice in bytes.chunks(SLICE) {
            let sending = async {
                self.stream.write_all(slice).await?;
                // TLS keeps what the kernel does not take, and nobody would ask it to try again.
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

    /// The client may say what it wants next, and has as long for that as for the first time.
    pub(super) fn restart(&mut self, decision_timeout: Duration) {
        self.deadline = Instant::now() + decision_timeout;
    }

    /// The same client, whose first bytes were TLS, behind that.
    ///
    /// # Errors
    /// Those of the connection and of TLS, and [`io::ErrorKind::TimedOut`] when the time to decide is over.
    pub(super) async fn secure(self, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let Stream::Plain(socket) = self.stream else { return Err(io::ErrorKind::InvalidData.into()) };
        // Boxed, since few connections need the room.
        let accepting = Box::pin(acceptor.accept(Rewind::new(self.received, socket)));
        let stream = timeout_at(self.deadline, accepting).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self {
            stream: Stream::Tls(Box::new(stream.into())),
            received: BytesMut::new(),
            deadline: self.deadline,
            is_drained: false,
        })
    }

    /// Ends the connection of a client that has got what it asked for and says nothing more unasked: as
    /// [`Incoming::finish`], but at once where nothing of the client's is left to be read.
    pub(super) async fn finish_answered(self, limits: &Limits) {
        let is_plain = matches!(self.stream, Stream::Plain(_));
        if !(is_plain && self.is_drained && self.received.is_empty()) {
            self.finish(limits).await;
        }
    }

    /// Ends the connection as [`finish`] does.
    pub(super) async fn finish(self, limits: &Limits) {
        finish(self.stream, limits).await;
    }
}

/// Ends a connection so that the last answer arrives.
///
/// Closing a socket that still has something to read, or gets more later, resets the connection, and a reset can
/// overtake the answer. So this says that nothing more will come, and waits until the client has closed too.
pub(super) async fn finish(mut stream: impl AsyncRead + AsyncWrite + Unpin, limits: &Limits) {
    let ending = async {
        stream.shutdown().await?;
        let mut left = limits.linger_bytes;
        // Not a part of the future: that of every connection would be as large.
        let mut discarded = vec![0; CHUNK];
        while left > 0 {
            match stream.read(&mut discarded).await? {
                0 => break,
                length => left = left.saturating_sub(length),
            }
        }
        io::Result::Ok(())
    };
    // Over time is over: the client has had the answer for that long. A failed connection has ended anyway.
    let _ = timeout(limits.linger, ending).await;
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::socket::Socket;

    #[tokio::test]
    async fn what_a_client_does_not_take_in_time_is_not_kept_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::registered(listener.accept().await.unwrap().0);
        let mut incoming = Incoming::new(Stream::Plain(socket), Duration::from_secs(10));
        // More than the kernel takes.
        let sent = incoming.send(&vec![0; 1 << 26], Duration::from_millis(100)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(incoming);
        let read = client.read_to_end(&mut Vec::new()).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
