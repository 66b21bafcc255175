//! Awaiting what no event announces.

use std::time::{Duration, Instant};

/// How long a test waits for what should take milliseconds: long enough for a loaded machine with two cores, short
/// enough that a failing suite still ends soon.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// Tries until `attempt` succeeds and returns what it gave.
///
/// # Panics
/// When `within` has passed, with the last reason that `attempt` gave.
#[track_caller]
pub fn eventually<T>(what: &str, within: Duration, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(reason) if Instant::now() >= deadline => panic!("{what}: not within {within:?}: {reason}"),
            Err(_) => pause(),
        }
    }
}

/// The one place that sleeps.
#[expect(clippy::disallowed_methods, reason = "a thread of a test may block, and what it waits for sends no event")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// [`eventually`] for a condition that is only true or false.
///
/// # Panics
/// When `within` has passed.
#[track_caller]
pub fn until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    eventually(what, within, || condition().then_some(()).ok_or_else(|| "still not so".to_owned()));
}
