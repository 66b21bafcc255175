//! Spare pipes and buffers.
//!
//! A session holds one only while bytes are in transit: an idle session holds none, and an active one reuses what
//! another session has just returned. So there are about as many as there are slow readers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::relay::pipe::Pipe;
use crate::settings;

/// Maximum number of spares of each kind. More, left by a burst of slow readers, are returned to the system.
const MAX_SPARES: usize = 32;

/// Size of a buffer in bytes: the maximum payload of a TLS record (RFC 8446 section 5.1).
pub(super) const BUFFER: usize = 16 * 1024;

/// Limits the number of pipes of all workers. A session that gets none copies its bytes.
#[derive(Debug)]
pub(super) struct PipeQuota {
    max: usize,
    open: AtomicUsize,
}

impl PipeQuota {
    /// The limit in these settings.
    pub(super) fn new(settings: &settings::Relay) -> Self {
        Self { max: settings.pipes(), open: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { max: 0, open: AtomicUsize::new(0) }
    }
}

/// Spare pipes and buffers of one worker's sessions.
#[derive(Debug)]
pub(crate) struct Pool {
    pipe_bytes: usize,
    quota: Arc<PipeQuota>,
    pipes: Mutex<Vec<Pipe>>,
    buffers: Mutex<Vec<Box<[u8]>>>,
}

impl Pool {
    /// Creates a pool of pipes with a capacity of `pipe_bytes`, if the kernel grants it.
    pub(super) fn new(pipe_bytes: usize, quota: Arc<PipeQuota>) -> Self {
        Self { pipe_bytes, quota, pipes: Mutex::default(), buffers: Mutex::default() }
    }

    /// Takes an empty pipe; `None` if the quota is used up or no file descriptor is left.
    pub(super) fn take_pipe(&self) -> Option<Pipe> {
        if let Some(pipe) = lock(&self.pipes).pop() {
            return Some(pipe);
        }
        let PipeQuota { max, open } = &*self.quota;
        if open.fetch_add(1, Ordering::Relaxed) < *max
            && let Ok(pipe) = Pipe::new(self.pipe_bytes)
        {
            return Some(pipe);
        }
        open.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// Takes a buffer with arbitrary contents.
    pub(super) fn take_buffer(&self) -> Box<[u8]> {
        lock(&self.buffers).pop().unwrap_or_else(|| vec![0; BUFFER].into())
    }

    /// Returns a pipe. One that is not empty belonged to a session that ended in transit, and is closed.
    pub(super) fn return_pipe(&self, pipe: Pipe) {
        if !pipe.is_empty() || !keep(&self.pipes, pipe) {
            self.quota.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Returns a buffer. One of another size is not from the pool, and is dropped.
    pub(super) fn return_buffer(&self, buffer: Box<[u8]>) {
        if buffer.len() == BUFFER {
            keep(&self.buffers, buffer);
        }
    }
}

/// Keeps a spare; returns false if there are enough.
fn keep<T>(spare: &Mutex<Vec<T>>, item: T) -> bool {
    let mut spare = lock(spare);
    let has_room = spare.len() < MAX_SPARES;
    if has_room {
        spare.push(item);
    }
    has_room
}

/// Never contended: one thread serves all sessions of a worker.
fn lock<T>(spare: &Mutex<T>) -> MutexGuard<'_, T> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_reused_and_their_number_is_limited() {
        let quota = Arc::new(PipeQuota { max: 2, open: AtomicUsize::new(0) });
        let [one, other] = [(), ()].map(|()| Pool::new(65_536, Arc::clone(&quota)));
        let pipe = one.take_pipe().unwrap();
        let _second = other.take_pipe().unwrap();
        assert!(one.take_pipe().is_none() && other.take_pipe().is_none());
        one.return_pipe(pipe);
        let mut pipe = one.take_pipe().unwrap();
        // A pipe that is not empty is closed, which makes room for another.
        let [mut from, to] = [(), ()].map(|()| std::io::pipe().unwrap());
        std::io::Write::write_all(&mut from.1, b"x").unwrap();
        assert_eq!(pipe.fill(&from.0).unwrap(), 1);
        drop(to);
        one.return_pipe(pipe);
        assert!(other.take_pipe().is_some());
    }
}
