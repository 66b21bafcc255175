//! Waiting for conditions that no event announces.

use std::time::{Duration, Instant};

/// Default time limit for events that usually take milliseconds: long enough for a loaded machine with two cores, short
/// enough for a failing test run to end soon.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Polling interval.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Repeats `attempt` until it succeeds, and returns its value.
///
/// # Panics
/// If `within` passes first, with the last error of `attempt`.
#[track_caller]
pub fn eventually<T>(description: &str, within: Duration, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(reason) if Instant::now() >= deadline => panic!("{description}: not within {within:?}: {reason}"),
            Err(_) => pause(),
        }
    }
}

/// The only place that sleeps.
#[expect(clippy::disallowed_methods, reason = "a test thread may block, and no event announces the condition")]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

/// Waits until `condition` is true.
///
/// # Panics
/// If `within` passes first.
#[track_caller]
pub fn until(description: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    eventually(description, within, || condition().then_some(()).ok_or_else(|| "still false".to_owned()));
}
