//! Both channels of a tunnel as one stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::base64::Decoder;

/// The number of bytes of base64 to read at once.
const READ_LENGTH: usize = 4096;

/// Both channels of a tunnel. Reads decode the POST channel; writes go to the GET channel.
#[derive(Debug)]
pub(crate) struct TunnelStream<S> {
    pub(super) get: S,
    pub(super) post: S,
    decoder: Decoder,
    /// Decoded bytes that have not been read: those of one read at most, or those that arrived with the request.
    decoded: BytesMut,
}

impl<S> TunnelStream<S> {
    /// Creates the stream of a tunnel. `read` are the bytes of the POST channel that have been read before.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if they are not base64.
    pub(super) fn new(get: S, post: S, read: &[u8]) -> io::Result<Self> {
        let mut decoder = Decoder::default();
        let mut decoded = BytesMut::new();
        decode(&mut decoder, read, &mut decoded)?;
        Ok(Self { get, post, decoder, decoded })
    }
}

fn decode(decoder: &mut Decoder, bytes: &[u8], decoded: &mut BytesMut) -> io::Result<()> {
    decoder.decode(bytes, decoded).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl<S: AsyncRead + Unpin> AsyncRead for TunnelStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { post, decoder, decoded, .. } = &mut *self;
        while decoded.is_empty() {
            let mut bytes = [0; READ_LENGTH];
            let mut encoded = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *post).poll_read(cx, &mut encoded))?;
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

impl<S: AsyncWrite + Unpin> AsyncWrite for TunnelStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get).poll_shutdown(cx)
    }
}
