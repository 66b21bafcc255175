//! The random source of the system.

/// Returns unpredictable bytes, fit for keys (getrandom(2)).
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // getrandom(2) fails only in kernels older than 3.17 without /dev/urandom, where no key could be made at all.
    #[expect(clippy::expect_used, reason = "without a random source nothing here can be done safely")]
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}
