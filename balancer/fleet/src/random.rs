//! Random numbers for choices: fast, and the same for the same seed.

/// A sequence of random numbers: `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// OOPSLA 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed. Seeds that follow each other give sequences that have nothing in common.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next number.
    #[must_use]
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to below `n`, which must not be 0; the bias is below n / 2^32.
    #[must_use]
    pub fn below(&mut self, n: u32) -> u32 {
        // The upper half of a 64-bit product is below n.
        ((u64::from(self.number() as u32) * u64::from(n)) >> 32) as u32
    }
}

/// A random number as a share: at least 0 and less than 1, in 2^24 steps.
#[must_use]
pub fn share(number: u64) -> f32 {
    (number >> 40) as f32 / (1_u32 << 24) as f32
}

/// One number for twice as many bits.
#[must_use]
pub fn mix_wide(bits: u128) -> u64 {
    mix(mix((bits >> 64) as u64) ^ bits as u64)
}

/// A number that depends on every bit of `z`: the finaliser of `SplitMix64`.
#[must_use]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
