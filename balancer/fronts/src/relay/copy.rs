//! From one connection to another when either is over TLS: read and written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::relay::chunk::Chunk;
use crate::relay::direction::Transit;
use crate::relay::supplies::Supplies;
use crate::stream::Stream;

/// What is on its way between two connections of any kind.
#[derive(Debug)]
pub(super) struct Copied<'s> {
    held: Option<Chunk>,
    /// Whether something was written that the other end may not have sent yet.
    needs_flush: bool,
    supplies: &'s Supplies,
}

impl<'s> Copied<'s> {
    /// With `first` on its way already.
    pub(super) fn new(first: &[u8], supplies: &'s Supplies) -> Self {
        Self { held: Some(first.into()), needs_flush: false, supplies }
    }

    fn let_go(&mut self) {
        if let Some(chunk) = self.held.take() {
            self.supplies.give_back_buffer(chunk.into_buffer());
        }
    }
}

impl Drop for Copied<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Transit for Copied<'_> {
    type End = Stream;

    fn is_empty(&self) -> bool {
        self.held.as_ref().is_none_or(Chunk::is_empty)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut Stream) -> Poll<io::Result<usize>> {
        self.let_go();
        let mut buffer = self.supplies.buffer();
        let mut filled = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(from).poll_read(cx, &mut filled);
        let length = filled.filled().len();
        if length == 0 {
            self.supplies.give_back_buffer(buffer);
        } else {
            self.held = Some(Chunk::new(buffer, length));
        }
        match outcome {
            // A peer that closes TCP without a word of TLS has ended all the same, as many do.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            outcome => outcome.map_ok(|()| length),
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<usize>> {
        let Some(chunk) = &mut self.held else { return Poll::Ready(Ok(0)) };
        let length = ready!(Pin::new(to).poll_write(cx, chunk.rest()))?;
        chunk.advance(length);
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
