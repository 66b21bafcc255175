//! A pipe of the kernel that bytes go through without being copied.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What the kernel gives a pipe without being asked.
const DEFAULT_BYTES: usize = 65_536;

/// A pipe, and how much is in it.
#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
    most: usize,
}

impl Pipe {
    /// An empty pipe that holds `bytes`, if the kernel grants it.
    ///
    /// # Errors
    /// Those of `pipe2(2)`.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if bytes != DEFAULT_BYTES {
            // Refused to users who have many pipes already (pipe(7), "/proc files"): a smaller one does as well.
            let _ = fcntl_setpipe_size(&writer, bytes);
        }
        Ok(Self { reader, writer, held: 0, most: bytes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes in what `from`, a socket in non-blocking mode, has received; zero when nothing more will come. The pipe must
    /// be empty: with something in it, [`io::ErrorKind::WouldBlock`] could mean that the pipe is full.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let length = splice(from, None, &self.writer, None, self.most, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held += length;
        Ok(length)
    }

    /// Passes on to `to`, a socket in non-blocking mode, what it takes.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let length = splice(&self.reader, None, to, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held -= length.min(self.held);
        Ok(length)
    }
}
