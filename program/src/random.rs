//! The system's random source.

/// Bytes that nobody can guess.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // getrandom(2) fails only in kernels older than 3.17 without /dev/urandom; no key can be had there at all.
    #[expect(clippy::expect_used, reason = "without a random source nothing here can be done safely")]
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}
