//! Captured output of a running program.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Number of lines that a failed test shows.
const TAIL: usize = 40;

/// Everything read from one pipe so far. A thread reads it, so that the program never blocks on a full pipe.
#[derive(Debug, Default)]
pub struct Capture {
    state: Mutex<State>,
    /// Notified of each change of `state`.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    /// The pipe is closed.
    ended: bool,
}

impl Capture {
    pub(super) fn read_from(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let capture = Arc::new(Self::default());
        let writer = Arc::clone(&capture);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                // A character split at the end of the buffer is replaced. Tests compare only ASCII.
                writer.lock().text.push_str(&String::from_utf8_lossy(&buffer[..length]));
                writer.changed.notify_all();
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        capture
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the output so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// Returns the last lines of the output so far.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].iter().map(|line| format!("{line}\n")).collect()
    }

    /// Waits until `find` returns a value for the output so far.
    ///
    /// # Errors
    /// If the program ends or the time passes first, with a description of which.
    pub fn await_text<T>(&self, within: Duration, mut find: impl FnMut(&str) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state.text) {
                return Ok(found);
            }
            if state.ended {
                return Err("it has ended".to_owned());
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Err(format!("not within {within:?}"));
            }
            state = self.changed.wait_timeout(state, remaining).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn await_end(&self, within: Duration) {
        // Never finds a value, so this returns when the pipe is closed, or at the timeout if a grandchild has left the
        // group.
        let _: Result<(), String> = self.await_text(within, |_| None);
    }
}

/// Returns the complete lines of a text: without the last one if it may still be growing.
pub fn complete_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}
