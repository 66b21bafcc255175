//! The edge of the lowest cost.

use crate::random::Random;

/// The index of the edge with the lowest cost so far. Of edges with equal costs each is equally likely.
pub(super) struct Best {
    found: Option<(u32, f32)>,
    /// The number of edges that have had the lowest cost.
    equals: u32,
}

impl Best {
    pub(super) fn new() -> Self {
        Self { found: None, equals: 0 }
    }

    pub(super) fn offer(&mut self, index: u32, cost: f32, random: &mut Random) {
        match self.found {
            Some((_, lowest)) if cost > lowest => {}
            // Of n equals the n-th replaces the one before with probability 1/n, so that each is equally likely.
            Some((other, lowest)) if cost == lowest => {
                if other != index {
                    self.equals += 1;
                    if random.below(self.equals) == 0 {
                        self.found = Some((index, cost));
                    }
                }
            }
            _ => {
                self.equals = 1;
                self.found = Some((index, cost));
            }
        }
    }

    pub(super) fn index(self) -> Option<u32> {
        self.found.map(|(index, _)| index)
    }
}
