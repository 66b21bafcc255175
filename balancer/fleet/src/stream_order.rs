//! The order of edges for a stream, by weighted rendezvous hashing (Thaler, Ravishankar: Using name-based mappings to
//! increase hit rates, 1998; Mosharaf et al.: the score −w / ln h).
//!
//! The order is the same at all balancers, and removing an edge leaves the order of the others unchanged.

use crate::random::mix;

/// What determines the position of an edge in the order of each stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// A hash of the edge's id.
    pub(super) seed: u64,
    /// The inverse of the edge's size: large edges come first more often.
    pub(super) inverse_size: f32,
}

impl Ticket {
    /// Returns the position of the edge in the order of a stream; the lowest comes first. `key` is a hash of the
    /// stream, or of whatever else the order is for.
    pub(super) fn position(self, key: u64) -> f32 {
        let hash = mix(key ^ self.seed);
        // Above 0 and below 1, from the upper 23 bits.
        let uniform = ((hash >> 41) as f32 + 0.5) / (1_u32 << 23) as f32;
        -log2(uniform) * self.inverse_size
    }
}

/// Returns the logarithm of a positive number to base 2, with an error below 1e-5. It consists of basic operations
/// only, whose results are the same on every machine; those of the system's own logarithm need not be.
fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    // The mantissa less one, from 0 to below 1: log2(1 + m) = m (1 + (1 − m) q(m)) is exact at both ends, and q is
    // fitted by least squares at Chebyshev's points.
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let q = 0.442_527_27 + m * (-0.275_386_2 + m * (0.181_154_2 + m * (-0.094_814_75 + m * 0.025_285_51)));
    exponent + m * (1.0 + (1.0 - m) * q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_correct_to_five_digits() {
        for step in 1..10_000_u16 {
            let x = f32::from(step) / 10_000.0;
            assert!((log2(x) - x.log2()).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn edges_come_first_in_proportion_to_their_size() {
        let tickets =
            [1.0, 2.0, 5.0].map(|size: f32| Ticket { seed: mix(size.to_bits().into()), inverse_size: 1.0 / size });
        let mut first = [0_u32; 3];
        for key in 0..80_000 {
            let positions = tickets.map(|ticket| ticket.position(mix(key)));
            let least = (0..3).min_by(|a, b| positions[*a].total_cmp(&positions[*b])).unwrap();
            first[least] += 1;
        }
        for (first, expected) in first.iter().zip([10_000, 20_000, 50_000]) {
            assert!(first.abs_diff(expected) < 600, "{first}");
        }
    }
}
