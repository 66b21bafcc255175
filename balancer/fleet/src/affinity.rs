//! Which edges have which stream: those that report it, and those that a client was sent to for it a short time ago.
//!
//! Sending the viewers of one stream to few edges spares the origin: each edge fetches the stream once. Edges that have
//! it already are found in a table of fixed size. When none of them will do, every balancer takes the same next one
//! without asking the others: the first in the stream's own order of edges, by weighted rendezvous hashing (Thaler,
//! Ravishankar: Using name-based mappings to increase hit rates, 1998; Mosharaf et al.: the score −w / ln h).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::random::mix;
use crate::time::Time;

/// All edges of a stream together may be busier than the others by this share, for the stream to stay where it is. It is
/// shared by them: a stream on one edge stays there through some ups and downs, and the hot streams, which are on many,
/// fill the edges that are below the mean and keep all of them level.
pub(super) const TOLERANCE: f32 = 0.02;

/// … and by so many clients, each with those that others are about to send: on edges that carry few, two per cent is less
/// than one of them, and every stream would be everywhere.
pub(super) const SLACK: f32 = 4.0;

/// For how long an edge is taken to have a stream after a client was sent there for it, or after it reported the stream.
const WARM: Duration = Duration::from_secs(60);

/// Entries of one set: a stream is on at most so many edges before the oldest is forgotten. Four cache lines.
const SET: usize = 32;
/// Sets: 65,536 entries in all, half a mebibyte.
const SETS: usize = 2048;

/// Bits of an entry, from below: when, in eighths of a second; which edge; which stream.
const TIME_BITS: u32 = 20;
const SLOT_BITS: u32 = 20;
const TIME_UNIT: u64 = 125_000;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

// As many edges as can be configured.
const _: () = assert!(SLOT_MASK >= 1_000_000);

/// Which edges have which stream. Shared by all workers without a lock: an entry is one number, and one that is
/// overwritten at the wrong moment costs one copy of a stream.
#[derive(Debug)]
pub(super) struct Affinity {
    entries: Box<[AtomicU64]>,
}

impl Affinity {
    pub(super) fn new() -> Self {
        Self { entries: (0..SET * SETS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The edge in `slot` has the stream, as of now.
    pub(super) fn note(&self, stream: u64, slot: u32, now: Time) {
        let (set, tag) = self.set(stream);
        let time = (now.as_micros() / TIME_UNIT) & TIME_MASK;
        let key = tag | u64::from(slot) & SLOT_MASK;
        let mut oldest = (&set[0], 0);
        for entry in set {
            let found = entry.load(Ordering::Relaxed);
            let age = if found == 0 { TIME_MASK } else { time.wrapping_sub(found) & TIME_MASK };
            if found >> TIME_BITS == key {
                oldest = (entry, TIME_MASK);
                break;
            }
            if age > oldest.1 {
                oldest = (entry, age);
            }
        }
        oldest.0.store(key << TIME_BITS | time, Ordering::Relaxed);
    }

    /// The slots of edges that have the stream.
    pub(super) fn warm(&self, stream: u64, now: Time) -> impl Iterator<Item = u32> {
        let (set, tag) = self.set(stream);
        let time = (now.as_micros() / TIME_UNIT) & TIME_MASK;
        let limit = WARM.as_micros() as u64 / TIME_UNIT;
        set.iter().filter_map(move |entry| {
            let found = entry.load(Ordering::Relaxed);
            let key = found >> TIME_BITS;
            let is_warm = found != 0 && key & !SLOT_MASK == tag && time.wrapping_sub(found) & TIME_MASK <= limit;
            is_warm.then_some((key & SLOT_MASK) as u32)
        })
    }

    /// Where the stream's entries are, and what tells them from those of others: 35 bits of its hash together.
    fn set(&self, stream: u64) -> (&[AtomicU64], u64) {
        let hash = mix(stream);
        let first = (hash as usize % SETS) * SET;
        (&self.entries[first..first + SET], hash >> (TIME_BITS + SLOT_BITS) << SLOT_BITS)
    }
}

/// What an edge's place in the order of a stream depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// Made of its id.
    pub(super) seed: u64,
    /// One divided by what it can carry: large edges come first more often.
    pub(super) inverse_size: f32,
}

impl Ticket {
    /// How far back the edge stands in the order of this stream, or of whatever `key` is a hash of: the least comes first.
    /// The order is the same at all balancers, and removing an edge changes nothing for the others.
    pub(super) fn place(self, key: u64) -> f32 {
        let hash = mix(key ^ self.seed);
        // Above 0 and below 1, from the upper 23 bits.
        let uniform = ((hash >> 41) as f32 + 0.5) / (1_u32 << 23) as f32;
        -log2(uniform) * self.inverse_size
    }
}

/// The logarithm of a positive number to base 2, to five digits: of basic operations only, whose result is the same on
/// every machine, as the system's own logarithm need not be.
fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    // The mantissa less one, from 0 to below 1: log2(1 + m) = m (1 + (1 − m) q(m)) is exact at both ends, and q is fitted
    // by least squares at Chebyshev's points.
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let q = 0.442_527_27 + m * (-0.275_386_2 + m * (0.181_154_2 + m * (-0.094_814_75 + m * 0.025_285_51)));
    exponent + m * (1.0 + (1.0 - m) * q)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const LAST_SLOT: u32 = (1 << SLOT_BITS) - 1;

    fn warm(affinity: &Affinity, stream: u64, milliseconds: u64) -> Vec<u32> {
        affinity.warm(stream, at(milliseconds)).collect()
    }

    #[test]
    fn an_edge_has_a_stream_for_a_minute() {
        let affinity = Affinity::new();
        affinity.note(7, 3, at(1000));
        affinity.note(7, LAST_SLOT, at(2000));
        assert_eq!(warm(&affinity, 7, 60_000), [3, LAST_SLOT]);
        assert_eq!(warm(&affinity, 7, 61_500), [LAST_SLOT]);
        assert!(warm(&affinity, 8, 2000).is_empty(), "another stream");
    }

    #[test]
    fn being_noted_again_keeps_it_warm_and_takes_no_second_entry() {
        let affinity = Affinity::new();
        affinity.note(7, 3, at(0));
        affinity.note(7, 3, at(59_000));
        assert_eq!(warm(&affinity, 7, 100_000), [3]);
    }

    #[test]
    fn of_too_many_edges_the_oldest_is_forgotten() {
        let affinity = Affinity::new();
        for slot in 0..33 {
            affinity.note(7, slot, at(1000 * u64::from(slot)));
        }
        let mut kept = warm(&affinity, 7, 33_000);
        kept.sort_unstable();
        assert_eq!(kept, (1..33).collect::<Vec<_>>());
    }

    #[test]
    fn the_logarithm_is_right_to_five_digits() {
        for step in 1..10_000_u16 {
            let x = f32::from(step) / 10_000.0;
            assert!((log2(x) - x.log2()).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn edges_come_first_as_often_as_they_are_large() {
        let tickets =
            [1.0, 2.0, 5.0].map(|size: f32| Ticket { seed: mix(size.to_bits().into()), inverse_size: 1.0 / size });
        let mut first = [0_u32; 3];
        for key in 0..80_000 {
            let places = tickets.map(|ticket| ticket.place(mix(key)));
            let least = (0..3).min_by(|a, b| places[*a].total_cmp(&places[*b])).unwrap();
            first[least] += 1;
        }
        for (first, expected) in first.iter().zip([10_000, 20_000, 50_000]) {
            assert!(first.abs_diff(expected) < 600, "{first}");
        }
    }
}
