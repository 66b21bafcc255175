//! A kernel pipe, through which bytes pass without being copied to user space.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Default capacity of a pipe.
const DEFAULT_BYTES: usize = 65_536;

/// A pipe, and the number of bytes in it.
#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
    capacity: usize,
}

impl Pipe {
    /// Creates a pipe with a capacity of `bytes`, if the kernel grants it.
    ///
    /// # Errors
    /// Those of `pipe2(2)`.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if bytes != DEFAULT_BYTES {
            // Refused to users with many pipes (pipe(7), "/proc files"); a smaller pipe works, too.
            let _ = fcntl_setpipe_size(&writer, bytes);
        }
        Ok(Self { reader, writer, held: 0, capacity: bytes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves received bytes of `from`, a socket in non-blocking mode, into the pipe; returns zero at the end of the
    /// stream. The pipe must be empty, or [`io::ErrorKind::WouldBlock`] could mean that the pipe is full.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let length = splice(from, None, &self.writer, None, self.capacity, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held += length;
        Ok(length)
    }

    /// Moves as many bytes as possible from the pipe to `to`, a socket in non-blocking mode.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let length = splice(&self.reader, None, to, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held -= length.min(self.held);
        Ok(length)
    }
}
