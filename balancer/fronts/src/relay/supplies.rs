//! Pipes and buffers that wait for a session to need one.
//!
//! A session holds one only while something is on its way: an idle session holds nothing, and one that flows finds the
//! pipe that the session before it has just given back. So there are about as many as there are slow readers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::relay::pipe::Pipe;
use crate::settings;

/// So many of each kind are kept at most: what a burst of slow readers took is given back to the system.
const SPARE: usize = 32;

/// How much is copied at a time where bytes cannot be spliced: what a TLS record holds at most (RFC 8446 section 5.1).
pub(super) const BUFFER: usize = 16 * 1024;

/// How many pipes there may be, of all workers together. Whoever gets none copies.
#[derive(Debug)]
pub(super) struct Quota {
    most: usize,
    made: AtomicUsize,
}

impl Quota {
    /// What these settings allow.
    pub(super) fn new(settings: &settings::Relay) -> Self {
        Self { most: settings.pipes(), made: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { most: 0, made: AtomicUsize::new(0) }
    }
}

/// What the sessions of one worker share.
#[derive(Debug)]
pub(crate) struct Supplies {
    pipe_bytes: usize,
    quota: Arc<Quota>,
    pipes: Mutex<Vec<Pipe>>,
    buffers: Mutex<Vec<Box<[u8]>>>,
}

impl Supplies {
    /// Supplies of pipes that hold `pipe_bytes`, if the kernel grants it.
    pub(super) fn new(pipe_bytes: usize, quota: Arc<Quota>) -> Self {
        Self { pipe_bytes, quota, pipes: Mutex::default(), buffers: Mutex::default() }
    }

    /// An empty pipe; nothing when there are as many as may be, or no file descriptor is left.
    pub(super) fn pipe(&self) -> Option<Pipe> {
        if let Some(pipe) = lock(&self.pipes).pop() {
            return Some(pipe);
        }
        let Quota { most, made } = &*self.quota;
        if made.fetch_add(1, Ordering::Relaxed) < *most
            && let Ok(pipe) = Pipe::new(self.pipe_bytes)
        {
            return Some(pipe);
        }
        made.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// A buffer, with anything in it.
    pub(super) fn buffer(&self) -> Box<[u8]> {
        lock(&self.buffers).pop().unwrap_or_else(|| vec![0; BUFFER].into())
    }

    /// Takes a pipe back. One that is not empty has come to an end in the midst of something, and is closed.
    pub(super) fn give_back_pipe(&self, pipe: Pipe) {
        if !pipe.is_empty() || !keep(&self.pipes, pipe) {
            self.quota.made.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes a buffer back. One of another size was none of these.
    pub(super) fn give_back_buffer(&self, buffer: Box<[u8]>) {
        if buffer.len() == BUFFER {
            keep(&self.buffers, buffer);
        }
    }
}

/// Whether there was room for it.
fn keep<T>(spare: &Mutex<Vec<T>>, item: T) -> bool {
    let mut spare = lock(spare);
    let has_room = spare.len() < SPARE;
    if has_room {
        spare.push(item);
    }
    has_room
}

/// Nobody waits here: one thread serves all sessions of a worker.
fn lock<T>(spare: &Mutex<T>) -> MutexGuard<'_, T> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_pipes_than_may_be_and_they_are_used_again() {
        let quota = Arc::new(Quota { most: 2, made: AtomicUsize::new(0) });
        let [one, other] = [(), ()].map(|()| Supplies::new(65_536, Arc::clone(&quota)));
        let pipe = one.pipe().unwrap();
        let _second = other.pipe().unwrap();
        assert!(one.pipe().is_none() && other.pipe().is_none());
        one.give_back_pipe(pipe);
        let mut pipe = one.pipe().unwrap();
        // One with something in it is closed, and makes room for another.
        let [mut from, to] = [(), ()].map(|()| std::io::pipe().unwrap());
        std::io::Write::write_all(&mut from.1, b"x").unwrap();
        assert_eq!(pipe.fill(&from.0).unwrap(), 1);
        drop(to);
        one.give_back_pipe(pipe);
        assert!(other.pipe().is_some());
    }
}
