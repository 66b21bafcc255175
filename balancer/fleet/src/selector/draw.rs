//! How a policy takes an edge from a pool.

use super::best::Best;
use super::search::Search;
use crate::forecast::Forecast;
use crate::load::{Expected, Load};
use crate::policy::Cost;
use crate::pool::Pool;
use crate::random::{mix, share};
use crate::reason::Exclusion;

/// The number of edges that are drawn, of which the best is taken. Two are far better than one, and more than four gain
/// little (docs/selection.md). It also limits the crowd on an edge that seems empty to four times the edge's share.
const DRAWS: usize = 4;

/// With this number of edges or fewer, every edge is considered.
const SMALL: usize = 8;

/// The number of rounds of draws before every edge is considered. A draw fails only between a change of state and the
/// next snapshot, and for an edge that ramps up, which the last round admits.
const ROUNDS: usize = 8;

impl Search<'_> {
    /// Picks the edge of the lowest cost of a small pool, or of a few edges that are drawn from a larger one. Of equals
    /// each is equally likely.
    pub(super) fn pick_from_sample(
        &mut self,
        pool: &Pool,
        expect: impl Fn(&Load, &Forecast) -> Result<Expected, Exclusion>,
        cost: Cost,
    ) -> Option<u32> {
        if pool.len() > SMALL {
            for round in 1..=ROUNDS {
                // All are drawn before any is read, so that the processor fetches them in parallel.
                let drawn = [(); DRAWS].map(|()| pool.draw(&mut self.random));
                let found = self.lowest_cost(drawn, round == ROUNDS, &expect, cost);
                if found.is_some() {
                    return found;
                }
            }
        }
        self.lowest_cost(pool.indices(), false, &expect, cost)
            .or_else(|| self.lowest_cost(pool.indices(), true, &expect, cost))
    }

    /// Picks the edge of the lowest cost of all that are accepted. Of equals the first by GUID, since pools are in that
    /// order.
    pub(super) fn pick_first(&self, pool: &Pool, cost: Cost, accept: impl Fn(u32, &Expected) -> bool) -> Option<u32> {
        // The expected load takes longest to compute, and some costs do not depend on it.
        let unknown = Expected::default();
        let mut first: Option<(u32, f32)> = None;
        for index in pool.indices() {
            let is_lower = |cost: f32| first.is_none_or(|(_, lowest)| cost < lowest);
            if !cost.depends_on_expected_load() && !is_lower(self.cost(cost, index, &unknown)) {
                continue;
            }
            let Some(expected) = self.expected(index) else { continue };
            let cost = self.cost(cost, index, &expected);
            if is_lower(cost) && accept(index, &expected) {
                first = Some((index, cost));
            }
        }
        first.map(|(index, _)| index)
    }

    /// Picks the next edge in turn. An edge of a lower weight sits out rounds in proportion.
    pub(super) fn pick_next_turn(&self, pool: &Pool) -> Option<u32> {
        let max_weight = pool.max_weight();
        // In two rounds every edge has had a turn, unless the weights differ by more than that.
        let mut turns = pool.next_turn()..;
        for _ in 0..2 * pool.len() {
            let turn = if self.counts { pool.take_turn() } else { turns.next()? };
            let (index, round) = pool.at_turn(turn);
            let share = f64::from(self.snapshot.edges[index as usize].weight()) / f64::from(max_weight);
            let has_turn = (((round + 1) as f64 * share) as u64) > ((round as f64 * share) as u64);
            if has_turn && self.expected(index).is_some() {
                return Some(index);
            }
        }
        pool.indices().find(|index| self.expected(*index).is_some())
    }

    /// Picks any edge, with a probability proportional to its share.
    pub(super) fn pick_any(&mut self, pool: &Pool) -> Option<u32> {
        for _ in 0..DRAWS * ROUNDS {
            let index = pool.draw(&mut self.random);
            if self.expected(index).is_some() {
                return Some(index);
            }
        }
        pool.indices().find(|index| self.expected(*index).is_some())
    }

    /// Returns the edge of the lowest cost of these. An edge that ramps up takes part in the share of choices that its
    /// ramp admits, or with `ignore_ramp` in all.
    pub(super) fn lowest_cost(
        &mut self,
        indices: impl IntoIterator<Item = u32>,
        ignore_ramp: bool,
        expect: &impl Fn(&Load, &Forecast) -> Result<Expected, Exclusion>,
        cost: Cost,
    ) -> Option<u32> {
        let mut best = Best::new();
        for index in indices {
            let load = &self.snapshot.loads[index as usize];
            if (ignore_ramp || self.ramp_admits(load))
                && !self.is_excluded(index)
                && let Ok(expected) = expect(load, &self.forecast)
            {
                let cost = self.cost(cost, index, &expected);
                best.offer(index, cost, &mut self.random);
            }
        }
        best.index()
    }

    fn ramp_admits(&mut self, load: &Load) -> bool {
        // Random numbers are drawn only for edges that need one.
        !load.is_ramping()
            || load.ramp_admits(&self.forecast, self.selector.settings.rules.ramp, share(self.random.number()))
    }

    /// Returns whether the ramp of the edge admits this stream yet: the same streams for all clients and at all
    /// balancers, and more of them as time passes.
    pub(super) fn ramp_admits_stream(&self, index: u32, stream: u64) -> bool {
        let index = index as usize;
        let random = share(mix(stream ^ self.snapshot.tickets[index].seed.rotate_left(32)));
        self.snapshot.loads[index].ramp_admits(&self.forecast, self.selector.settings.rules.ramp, random)
    }
}
