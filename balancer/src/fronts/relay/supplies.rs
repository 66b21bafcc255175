//! Pipes and buffers that wait for a session to need one.
//!
//! A session holds one only while something is on its way: an idle session holds nothing, and one that flows finds the
//! pipe that the session before it has just given back. So there are about as many as there are slow readers.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fronts::relay::pipe::Pipe;

/// So many of each kind are kept at most: what a burst of slow readers took is given back to the system.
const SPARE: usize = 32;

/// How much is copied at a time where bytes cannot be spliced: what a TLS record holds at most (RFC 8446 section 5.1).
pub(super) const BUFFER: usize = 16 * 1024;

/// What the sessions of one worker share.
#[derive(Debug)]
pub(in crate::fronts) struct Supplies {
    pipe_bytes: usize,
    pipes: Mutex<Vec<Pipe>>,
    buffers: Mutex<Vec<Box<[u8]>>>,
}

impl Supplies {
    /// Supplies of pipes that hold `pipe_bytes`, if the kernel grants it.
    pub(in crate::fronts) fn new(pipe_bytes: usize) -> Self {
        Self { pipe_bytes, pipes: Mutex::default(), buffers: Mutex::default() }
    }

    /// An empty pipe.
    ///
    /// # Errors
    /// Those of `pipe2(2)`: no file descriptor is left, mostly.
    pub(super) fn pipe(&self) -> io::Result<Pipe> {
        match lock(&self.pipes).pop() {
            Some(pipe) => Ok(pipe),
            None => Pipe::new(self.pipe_bytes),
        }
    }

    /// A buffer, with anything in it.
    pub(super) fn buffer(&self) -> Box<[u8]> {
        lock(&self.buffers).pop().unwrap_or_else(|| vec![0; BUFFER].into())
    }

    /// Takes a pipe back. One that is not empty has come to an end in the midst of something, and is closed.
    pub(super) fn give_back_pipe(&self, pipe: Pipe) {
        if pipe.is_empty() {
            keep(&self.pipes, pipe);
        }
    }

    /// Takes a buffer back. One of another size was none of these.
    pub(super) fn give_back_buffer(&self, buffer: Box<[u8]>) {
        if buffer.len() == BUFFER {
            keep(&self.buffers, buffer);
        }
    }
}

fn keep<T>(spare: &Mutex<Vec<T>>, item: T) {
    let mut spare = lock(spare);
    if spare.len() < SPARE {
        spare.push(item);
    }
}

/// Nobody waits here: one thread serves all sessions of a worker.
fn lock<T>(spare: &Mutex<T>) -> MutexGuard<'_, T> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}
