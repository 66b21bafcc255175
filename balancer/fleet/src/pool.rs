//! A pool: edges that a client may be sent to, ready for random draws.
//!
//! The probability of a draw must be proportional to an edge's share, and its cost the same for ten edges as for
//! 100,000. An alias table does that (Walker: An efficient method for generating discrete random variables with general
//! distributions, 1977; built by Vose's method, 1991).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::atomic::AtomicF32;
use crate::random::Random;

/// Edges by their index in the snapshot, each with the probability of being drawn.
#[derive(Debug, Default)]
pub(super) struct Pool {
    cells: Box<[Cell]>,
    /// The highest weight of any edge in the pool.
    max_weight: f32,
    /// The number of turns taken so far, for round robin.
    turn: AtomicU64,
    /// Whether a choice has found that no edge of the pool accepts clients any more. Later ones then skip the pool.
    exhausted: AtomicBool,
    /// The utilisation of all edges together, and the lowest of any edge. Maintained for stream affinity only.
    mean: AtomicF32,
    lowest: AtomicF32,
}

/// One cell of the alias table: its own edge up to the threshold, the other one above.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Of 2^32.
    threshold: u32,
    own: u32,
    other: u32,
}

impl Pool {
    /// Returns a pool of edges, given by their index and their share.
    pub(super) fn new(members: &[(u32, f32)], max_weight: f32) -> Self {
        let total: f64 = members.iter().map(|(_, share)| f64::from(*share)).sum();
        let scale = members.len() as f64 / total;
        let mut left: Vec<f64> = members.iter().map(|(_, share)| f64::from(*share) * scale).collect();
        let mut cells: Box<[Cell]> =
            members.iter().map(|(index, _)| Cell { threshold: u32::MAX, own: *index, other: *index }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..members.len()).partition(|&cell| left[cell] < 1.0);
        // A cell that its own edge does not fill is filled up by a larger one. Cells that are left over, by rounding,
        // are full.
        while let (Some(&lesser), Some(&greater)) = (small.last(), large.last()) {
            small.pop();
            cells[lesser].threshold = (left[lesser] * 4_294_967_296.0) as u32;
            cells[lesser].other = cells[greater].own;
            left[greater] -= 1.0 - left[lesser];
            if left[greater] < 1.0 {
                large.pop();
                small.push(greater);
            }
        }
        Self { cells, max_weight, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Returns whether the pool has no edge that accepts clients, as far as is known.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty() || self.exhausted.load(Ordering::Relaxed)
    }

    /// Draws an edge with a probability proportional to its share. Returns its index. The pool must not be empty.
    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        let number = random.number();
        // The upper half selects the cell, the lower half its own or its other edge.
        let index = ((number >> 32) * self.cells.len() as u64) >> 32;
        let cell = self.cells[index as usize];
        if number as u32 <= cell.threshold { cell.own } else { cell.other }
    }

    /// Returns the indices of all edges.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        self.cells.iter().map(|cell| cell.own)
    }

    /// Takes a turn and returns its number.
    pub(super) fn take_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the number of the next turn without taking it.
    pub(super) fn next_turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// Continues with the turns of `before`.
    pub(super) fn continue_turns_of(&self, before: &Self) {
        self.turn.store(before.next_turn(), Ordering::Relaxed);
    }

    /// Returns the index of the edge whose turn `turn` is, and the number of complete rounds before it.
    pub(super) fn at_turn(&self, turn: u64) -> (u32, u64) {
        let count = self.cells.len() as u64;
        (self.cells[(turn % count) as usize].own, turn / count)
    }

    pub(super) fn max_weight(&self) -> f32 {
        self.max_weight
    }

    /// Marks the pool as having no edge that accepts clients any more.
    pub(super) fn exhaust(&self) {
        self.exhausted.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`Pool::exhaust`] was called. A new snapshot is due then.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    pub(super) fn set_utilisation(&self, mean: f32, lowest: f32) {
        self.mean.set(mean);
        self.lowest.set(lowest);
    }

    /// Returns the utilisation of all edges together, and the lowest of any edge.
    pub(super) fn utilisation(&self) -> (f32, f32) {
        (self.mean.get(), self.lowest.get())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn edges_are_drawn_in_proportion_to_their_shares(shares in prop::collection::vec(0.01_f32..100.0, 1..50)) {
            const DRAWS: u32 = 100_000;
            let members: Vec<(u32, f32)> = (0..).zip(shares.iter().copied()).collect();
            let pool = Pool::new(&members, 1.0);
            let mut random = Random::new(1);
            let mut drawn = vec![0_u32; shares.len()];
            for _ in 0..DRAWS {
                drawn[pool.draw(&mut random) as usize] += 1;
            }
            let total: f32 = shares.iter().sum();
            for (share, drawn) in shares.iter().zip(drawn) {
                let expected = f64::from(share / total) * f64::from(DRAWS);
                let error = (f64::from(drawn) - expected).abs();
                // Six standard deviations: once in half a billion.
                prop_assert!(error <= 6.0 * expected.sqrt() + 1.0, "{} of {}", drawn, expected);
            }
        }
    }
}
