//! A client's connection until it is known what the client wants: bounded in bytes and time.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::config::Limits;
use crate::fronts::rewind::Rewind;
use crate::fronts::stream::Stream;

/// How many bytes are taken in at a time; a request or a handshake seldom has more.
const CHUNK: usize = 4096;

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
        self.received.reserve(CHUNK);
        let room = self.received.capacity() - self.received.len();
        let read = self.stream.read_buf(&mut self.received);
        let length = timeout_at(self.deadline, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.is_drained = length < room;
        Ok(length > 0)
    }

    /// Sends all of this, for which the client has `limit`.
    ///
    /// # Errors
    /// Those of the connection, and [`io::ErrorKind::TimedOut`] when the client has not taken it by then: one that reads
    /// nothing would otherwise keep its connection, and what the kernel holds for it, for ever.
    pub(super) async fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            // TLS keeps what the kernel does not take, and nobody would ask it to try again.
            self.stream.flush().await
        };
        timeout(limit, sending).await.map_err(|_| io::ErrorKind::TimedOut)?
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
