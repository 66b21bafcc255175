//! Transit between two connections of which at least one is over TLS: bytes are read and written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::relay::direction::Transit;
use crate::relay::pool::Pool;
use crate::relay::write_buffer::WriteBuffer;
use crate::stream::Stream;

/// Bytes in transit between two connections of any kind.
#[derive(Debug)]
pub(super) struct Copied<'p> {
    held: Option<WriteBuffer>,
    /// Whether written bytes may still be buffered by TLS.
    needs_flush: bool,
    pool: &'p Pool,
}

impl<'p> Copied<'p> {
    /// Begins with `first` in transit.
    pub(super) fn new(first: &[u8], pool: &'p Pool) -> Self {
        Self { held: Some(first.into()), needs_flush: false, pool }
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.pool.return_buffer(held.into_buffer());
        }
    }
}

impl Drop for Copied<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl Transit for Copied<'_> {
    type End = Stream;

    fn is_empty(&self) -> bool {
        self.held.as_ref().is_none_or(WriteBuffer::is_empty)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut Stream) -> Poll<io::Result<usize>> {
        self.release();
        let mut buffer = self.pool.take_buffer();
        let mut filled = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(from).poll_read(cx, &mut filled);
        let length = filled.filled().len();
        if length == 0 {
            self.pool.return_buffer(buffer);
        } else {
            self.held = Some(WriteBuffer::new(buffer, length));
        }
        match outcome {
            // Many peers close TCP without a TLS close_notify.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            outcome => outcome.map_ok(|()| length),
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<usize>> {
        let Some(held) = &mut self.held else { return Poll::Ready(Ok(0)) };
        let length = ready!(Pin::new(to).poll_write(cx, held.rest()))?;
        held.advance(length);
        self.needs_flush = true;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        if self.needs_flush {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        Pin::new(to).poll_shutdown(cx)
    }

    fn failure(end: &Stream) -> Option<io::Error> {
        end.take_error()
    }
}
