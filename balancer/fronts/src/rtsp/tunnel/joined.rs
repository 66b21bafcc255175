//! Both halves of a tunnel as one connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::base64::Decoder;
use crate::stream::Stream;

/// How many bytes of base64 are read at a time.
const CHUNK: usize = 4096;

/// Both halves of a tunnel: what is read comes from one and is decoded, what is written goes to the other.
#[derive(Debug)]
pub(crate) struct Joined {
    to_client: Stream,
    from_client: Stream,
    decoder: Decoder,
    /// Decoded, and not read: at most what one read of base64 says, or what came with the request.
    decoded: BytesMut,
}

impl Joined {
    /// Of `from_client` these bytes were read before.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when they are no base64.
    pub(super) fn new(to_client: Stream, from_client: Stream, read: &[u8]) -> io::Result<Self> {
        let mut decoder = Decoder::default();
        let mut decoded = BytesMut::new();
        decode(&mut decoder, read, &mut decoded)?;
        Ok(Self { to_client, from_client, decoder, decoded })
    }

    /// How either connection has failed, if it has since this was last asked.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.to_client.take_error().or_else(|| self.from_client.take_error())
    }

    /// Has the kernel throw away what the client has not taken when this is dropped.
    pub(crate) fn forget_unsent(&self) {
        self.to_client.forget_unsent();
    }

    /// The address of this machine that the client is told things from.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.to_client.local_address()
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8], decoded: &mut BytesMut) -> io::Result<()> {
    decoder.decode(bytes, decoded).map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))
}

impl AsyncRead for Joined {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { from_client, decoder, decoded, .. } = &mut *self;
        while decoded.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut encoded = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut *from_client).poll_read(cx, &mut encoded))?;
            if encoded.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            decode(decoder, encoded.filled(), decoded)?;
        }
        let length = decoded.len().min(buffer.remaining());
        buffer.put_slice(&decoded[..length]);
        decoded.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Joined {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.to_client).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to_client).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to_client).poll_shutdown(cx)
    }
}
