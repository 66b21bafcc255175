//! Stream affinity: which edges have which stream, because they report it or because a client was recently sent there
//! for it.
//!
//! Sending the viewers of a stream to few edges spares the origin, from which each edge fetches the stream once. Edges
//! that already have a stream are found in a table of fixed size. When none of them is eligible, every balancer chooses
//! the same next one without communication: the first in [the stream's order of edges](crate::stream_order).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::random::mix;
use crate::time::Time;

/// The share by which the edges of a stream, taken together, may be busier than the pool before the stream moves on to
/// another edge. They divide it among them: a stream on one edge stays there through some ups and downs, and the hot
/// streams, which are on many edges, fill those below the mean and keep all of them level.
pub(super) const TOLERANCE: f32 = 0.02;

/// The number of clients by which they may be busier in addition, each counted together with those that other balancers
/// are about to send. On edges with few sessions 2 % is less than one client, and every stream would be on every edge.
pub(super) const SLACK: f32 = 4.0;

/// How long an edge is assumed to have a stream after a client was sent there for it, or after it reported the stream.
const WARM: Duration = Duration::from_secs(60);

/// Entries of a set, and so the number of edges of a stream before the oldest is forgotten. Four cache lines.
const SET: usize = 32;
/// Sets: 65,536 entries in all, half a mebibyte.
const SETS: usize = 2048;

/// An entry holds, from the lowest bit: the time in eighths of a second, the slot of the edge, and a tag of the stream.
const TIME_BITS: u32 = 20;
const SLOT_BITS: u32 = 20;
const TIME_UNIT: u64 = 125_000;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

// The highest number of edges that can be configured.
const _: () = assert!(SLOT_MASK >= 1_000_000);

/// Which edges have which stream. Shared by all workers without a lock: an entry is one number, and one that is
/// overwritten at the wrong moment costs one more copy of a stream.
#[derive(Debug)]
pub(super) struct Affinity {
    entries: Box<[AtomicU64]>,
}

impl Affinity {
    pub(super) fn new() -> Self {
        Self { entries: (0..SET * SETS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Records that the edge in `slot` has the stream as of `now`.
    pub(super) fn record(&self, stream: u64, slot: u32, now: Time) {
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

    /// Returns the slots of the edges that are warm for the stream: that have had it within the last minute.
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

    /// Returns the set of the stream, and the tag that distinguishes its entries from others: 35 bits of its hash
    /// together.
    fn set(&self, stream: u64) -> (&[AtomicU64], u64) {
        let hash = mix(stream);
        let first = (hash as usize % SETS) * SET;
        (&self.entries[first..first + SET], hash >> (TIME_BITS + SLOT_BITS) << SLOT_BITS)
    }
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
    fn an_edge_is_warm_for_a_minute() {
        let affinity = Affinity::new();
        affinity.record(7, 3, at(1000));
        affinity.record(7, LAST_SLOT, at(2000));
        assert_eq!(warm(&affinity, 7, 60_000), [3, LAST_SLOT]);
        assert_eq!(warm(&affinity, 7, 61_500), [LAST_SLOT]);
        assert!(warm(&affinity, 8, 2000).is_empty(), "another stream");
    }

    #[test]
    fn recording_a_stream_again_keeps_it_warm_without_a_second_entry() {
        let affinity = Affinity::new();
        affinity.record(7, 3, at(0));
        affinity.record(7, 3, at(59_000));
        assert_eq!(warm(&affinity, 7, 100_000), [3]);
    }

    #[test]
    fn with_too_many_edges_the_oldest_is_forgotten() {
        let affinity = Affinity::new();
        for slot in 0..33 {
            affinity.record(7, slot, at(1000 * u64::from(slot)));
        }
        let mut kept = warm(&affinity, 7, 33_000);
        kept.sort_unstable();
        assert_eq!(kept, (1..33).collect::<Vec<_>>());
    }
}
