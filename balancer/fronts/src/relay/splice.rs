//! Transit between two plain connections: bulk data is not copied.
//!
//! Bulk data passes through a kernel pipe with splice(2). Small messages are read and written, which is cheaper: a read
//! that does not fill the buffer also shows that the receive buffer is empty, for which splice needs another system
//! call.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::relay::direction::Transit;
use crate::relay::pipe::Pipe;
use crate::relay::pool::{BUFFER, Pool};
use crate::relay::write_buffer::WriteBuffer;

/// Bytes in transit between two plain connections.
#[derive(Debug)]
pub(super) struct Spliced<'p> {
    held: Held,
    /// Whether the latest read or splice filled a buffer.
    is_bulk: bool,
    pool: &'p Pool,
}

#[derive(Debug)]
enum Held {
    Nothing,
    Pipe(Pipe),
    Buffer(WriteBuffer),
}

impl<'p> Spliced<'p> {
    /// Begins with `first` in transit.
    pub(super) fn new(first: &[u8], pool: &'p Pool) -> Self {
        Self { held: Held::Buffer(first.into()), is_bulk: false, pool }
    }

    /// Returns the pipe or buffer to the pool.
    fn release(&mut self) {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {}
            Held::Pipe(pipe) => self.pool.return_pipe(pipe),
            Held::Buffer(buffer) => self.pool.return_buffer(buffer.into_buffer()),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut TcpStream) -> Poll<io::Result<usize>> {
        self.release();
        let mut buffer = self.pool.take_buffer();
        let mut filled = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(from).poll_read(cx, &mut filled);
        let length = filled.filled().len();
        if length == 0 {
            self.pool.return_buffer(buffer);
        } else {
            self.is_bulk = length == BUFFER;
            self.held = Held::Buffer(WriteBuffer::new(buffer, length));
        }
        outcome.map_ok(|()| length)
    }

    /// Splices into a pipe; `None` if none is available.
    fn splice(&mut self, from: &TcpStream) -> Option<io::Result<usize>> {
        let mut pipe = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Pipe(pipe) => pipe,
            other => {
                self.held = other;
                self.release();
                self.pool.take_pipe()?
            }
        };
        let outcome = from.try_io(Interest::READABLE, || pipe.fill(from));
        match outcome {
            Ok(length @ 1..) => {
                self.is_bulk = length >= BUFFER;
                self.held = Held::Pipe(pipe);
            }
            Ok(0) | Err(_) => self.pool.return_pipe(pipe),
        }
        Some(outcome)
    }
}

impl Drop for Spliced<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl Transit for Spliced<'_> {
    type End = TcpStream;

    fn is_empty(&self) -> bool {
        match &self.held {
            Held::Nothing => true,
            Held::Pipe(pipe) => pipe.is_empty(),
            Held::Buffer(buffer) => buffer.is_empty(),
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut TcpStream) -> Poll<io::Result<usize>> {
        loop {
            if from.poll_read_ready(cx)?.is_pending() {
                self.release();
                return Poll::Pending;
            }
            if self.is_bulk
                && let Some(outcome) = self.splice(from)
            {
                match outcome {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    outcome => return Poll::Ready(outcome),
                }
            }
            return self.poll_read(cx, from);
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut TcpStream) -> Poll<io::Result<usize>> {
        match &mut self.held {
            Held::Nothing => Poll::Ready(Ok(0)),
            Held::Buffer(buffer) => {
                let length = ready!(Pin::new(to).poll_write(cx, buffer.rest()))?;
                buffer.advance(length);
                Poll::Ready(Ok(length))
            }
            Held::Pipe(pipe) => loop {
                ready!(to.poll_write_ready(cx))?;
                match to.try_io(Interest::WRITABLE, || pipe.drain(&*to)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    outcome => return Poll::Ready(outcome),
                }
            },
        }
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>, _to: &mut TcpStream) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, to: &mut TcpStream) -> Poll<io::Result<()>> {
        Pin::new(to).poll_shutdown(cx)
    }

    fn failure(end: &TcpStream) -> Option<io::Error> {
        end.take_error().ok().flatten()
    }
}
