//! From one plain connection to another: without a copy when there is much to carry.
//!
//! What comes in bulk goes through a pipe of the kernel with splice(2). What comes in small messages is read and written:
//! that is cheaper than to splice it, and a read that does not fill the buffer tells that nothing more has come, which
//! splicing would need another system call for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::relay::chunk::Chunk;
use crate::relay::direction::Transit;
use crate::relay::pipe::Pipe;
use crate::relay::supplies::{BUFFER, Supplies};

/// What is on its way between two plain connections.
#[derive(Debug)]
pub(super) struct Spliced<'s> {
    held: Held,
    /// Whether more was found at a time than fits a buffer.
    is_bulk: bool,
    supplies: &'s Supplies,
}

#[derive(Debug)]
enum Held {
    Nothing,
    Pipe(Pipe),
    Chunk(Chunk),
}

impl<'s> Spliced<'s> {
    /// With `first` on its way already.
    pub(super) fn new(first: &[u8], supplies: &'s Supplies) -> Self {
        Self { held: Held::Chunk(first.into()), is_bulk: false, supplies }
    }

    /// Gives back what it holds.
    fn let_go(&mut self) {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {}
            Held::Pipe(pipe) => self.supplies.give_back_pipe(pipe),
            Held::Chunk(chunk) => self.supplies.give_back_buffer(chunk.into_buffer()),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut TcpStream) -> Poll<io::Result<usize>> {
        self.let_go();
        let mut buffer = self.supplies.buffer();
        let mut filled = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(from).poll_read(cx, &mut filled);
        let length = filled.filled().len();
        if length == 0 {
            self.supplies.give_back_buffer(buffer);
        } else {
            self.is_bulk = length == BUFFER;
            self.held = Held::Chunk(Chunk::new(buffer, length));
        }
        outcome.map_ok(|()| length)
    }

    /// Nothing when there is no pipe to be had.
    fn splice(&mut self, from: &TcpStream) -> Option<io::Result<usize>> {
        let mut pipe = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Pipe(pipe) => pipe,
            other => {
                self.held = other;
                self.let_go();
                self.supplies.pipe()?
            }
        };
        let outcome = from.try_io(Interest::READABLE, || pipe.fill(from));
        match outcome {
            Ok(length @ 1..) => {
                self.is_bulk = length >= BUFFER;
                self.held = Held::Pipe(pipe);
            }
            Ok(0) | Err(_) => self.supplies.give_back_pipe(pipe),
        }
        Some(outcome)
    }
}

impl Drop for Spliced<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Transit for Spliced<'_> {
    type End = TcpStream;

    fn is_empty(&self) -> bool {
        match &self.held {
            Held::Nothing => true,
            Held::Pipe(pipe) => pipe.is_empty(),
            Held::Chunk(chunk) => chunk.is_empty(),
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, from: &mut TcpStream) -> Poll<io::Result<usize>> {
        loop {
            if from.poll_read_ready(cx)?.is_pending() {
                self.let_go();
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
            Held::Chunk(chunk) => {
                let length = ready!(Pin::new(to).poll_write(cx, chunk.rest()))?;
                chunk.advance(length);
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
