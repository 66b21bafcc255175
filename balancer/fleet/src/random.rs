//! Random numbers for choices: fast, and reproducible from a seed.

/// A sequence of random numbers: `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// OOPSLA 2014). Not cryptographic.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the sequence of this seed. Consecutive seeds give unrelated sequences.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Returns the next number.
    #[must_use]
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Returns a number from 0 to `n` − 1. `n` must not be 0. The bias is below n / 2^32.
    #[must_use]
    pub fn below(&mut self, n: u32) -> u32 {
        // The upper half of a 64-bit product is below n.
        ((u64::from(self.number() as u32) * u64::from(n)) >> 32) as u32
    }
}

/// Converts a random number to one that is at least 0 and less than 1, in 2^24 steps.
#[must_use]
pub fn share(number: u64) -> f32 {
    (number >> 40) as f32 / (1_u32 << 24) as f32
}

/// Hashes 128 bits to 64; see [`mix`].
#[must_use]
pub fn mix_wide(bits: u128) -> u64 {
    mix(mix((bits >> 64) as u64) ^ bits as u64)
}

/// Returns a number that depends on every bit of `z`: the finaliser of `SplitMix64`.
#[must_use]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
