//! The one place where the agent reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; 0 before it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_milliseconds() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes of the system's cryptographic random source.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // getrandom(2) fails only in kernels older than 3.17 without /dev/urandom; nothing can be sealed there at all.
    #[expect(clippy::expect_used, reason = "without a random source nothing here can be done safely")]
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}
