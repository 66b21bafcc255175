//! The search for the edge of one client.

use super::Selector;
use super::best::Best;
use crate::affinity::{Affinity, SLACK, TOLERANCE};
use crate::forecast::Forecast;
use crate::load::{Expected, Load};
use crate::policy::{Cost, Draw};
use crate::pool::Pool;
use crate::query::SelectionQuery;
use crate::random::{Random, mix};
use crate::reason::Reason;
use crate::snapshot::Snapshot;
use crate::zone_id::ZoneId;

/// The search for the edge of one client. Edges are given by their index in the snapshot.
pub(super) struct Search<'s> {
    pub(super) selector: &'s Selector,
    pub(super) snapshot: &'s Snapshot,
    pub(super) query: &'s SelectionQuery<'s>,
    pub(super) forecast: Forecast,
    pub(super) random: Random,
    /// Whether the choice counts, that is whether the client is really sent to the edge. If not, the search takes no
    /// turn.
    pub(super) counts: bool,
}

impl Search<'_> {
    /// Searches the client's zone, and then those that it may spill to.
    pub(super) fn search_zones(&mut self, zone: ZoneId) -> Option<(u32, Reason)> {
        let pools = &self.snapshot.pools;
        let protocol = self.query.protocol;
        let spill = self.selector.settings.zones.spill(zone);
        if let Some(found) = pools.in_zone(zone, protocol).and_then(|pool| self.search_pool(pool, Some(zone))) {
            return Some(found);
        }
        let others = spill.first.iter().filter_map(|other| Some((pools.in_zone(*other, protocol)?, Some(*other))));
        let mut others = others.chain(spill.then_any.then(|| (pools.any_zone(protocol), None)));
        others.find_map(|(pool, zone)| self.search_pool(pool, zone)).map(|(index, _)| (index, Reason::SpillZone))
    }

    /// Searches a pool: the edges of `zone`, or those of all zones.
    pub(super) fn search_pool(&mut self, pool: &Pool, zone: Option<ZoneId>) -> Option<(u32, Reason)> {
        if pool.is_empty() {
            return None;
        }
        if let (Some(affinity), Some(stream)) = (&self.selector.affinity, self.query.stream)
            && let Some(found) = self.pick_by_affinity(pool, zone, affinity, stream)
        {
            return Some(found);
        }
        let found = self.pick_by_policy(pool);
        // With excluded edges the search does not show that the pool is exhausted.
        if found.is_none() && self.counts && self.query.excluded.is_empty() {
            pool.exhaust();
        }
        Some((found?, Reason::Policy))
    }

    /// Searches a pool that includes full edges for the least utilised one, in the zones that the client may be sent
    /// to.
    pub(super) fn search_beyond_limits(&mut self, pool: &Pool) -> Option<u32> {
        if pool.is_empty() {
            return None;
        }
        let spill = self.query.zone.map(|zone| (zone, self.selector.settings.zones.spill(zone)));
        let Some((zone, spill)) = spill.filter(|(_, spill)| !spill.then_any) else {
            return self.pick_from_sample(pool, Load::expect_beyond_limits, Cost::Utilisation);
        };
        // Few clients are bound to zones, and fewer find all of those full: it is good enough to look at every edge.
        let edges = &self.snapshot.edges;
        let allows =
            |index: &u32| std::iter::once(&zone).chain(spill.first).any(|zone| edges[*index as usize].is_in(*zone));
        let indices = pool.indices().filter(allows);
        self.lowest_cost(indices, true, &Load::expect_beyond_limits, Cost::Utilisation)
    }

    /// Picks the least utilised of the edges that are warm for the stream, or else the first in the stream's order.
    /// Skips edges that are much busier than the others.
    fn pick_by_affinity(
        &mut self,
        pool: &Pool,
        zone: Option<ZoneId>,
        affinity: &Affinity,
        stream: u64,
    ) -> Option<(u32, Reason)> {
        let (mean, lowest) = pool.utilisation();
        let common = mean.max(lowest);
        let warm = || affinity.warm(stream, self.forecast.now);
        let sharers = warm().count().max(1) as f32;
        let has_room = |expected: &Expected| {
            expected.utilisation <= common + (TOLERANCE * common + SLACK * expected.step) / sharers
        };
        let mut best = Best::new();
        for index in warm().filter_map(|slot| self.snapshot.index_of_slot(slot)) {
            if self.is_eligible(index, zone)
                && let Some(expected) = self.expected(index)
                && has_room(&expected)
            {
                best.offer(index, expected.utilisation, &mut self.random);
            }
        }
        if let Some(index) = best.index() {
            return Some((index, Reason::AffinityWarm));
        }
        let accept = |index, expected: &Expected| has_room(expected) && self.ramp_admits_stream(index, stream);
        self.pick_first(pool, Cost::StreamOrder, accept).map(|index| (index, Reason::AffinityHash))
    }

    fn pick_by_policy(&mut self, pool: &Pool) -> Option<u32> {
        let policy = self.selector.settings.rules.policy;
        match policy.draw() {
            Draw::Sample => self.pick_from_sample(pool, Load::expect, policy.cost()),
            Draw::First => self.pick_first(pool, policy.cost(), |_, _| true),
            Draw::Turn => self.pick_next_turn(pool),
            Draw::Any => self.pick_any(pool),
        }
    }

    /// Returns the cost of an edge with this expected load.
    pub(super) fn cost(&self, cost: Cost, index: u32, expected: &Expected) -> f32 {
        match cost {
            Cost::Utilisation => expected.utilisation,
            Cost::SessionsPerWeight => expected.sessions_per_weight,
            Cost::BitsPerWeight => expected.bits_per_weight,
            Cost::ReportedSessions => {
                let load = &self.snapshot.loads[index as usize];
                load.connections().unwrap_or(0).saturating_add(load.assignments_since_report()) as f32
            }
            Cost::StreamOrder => {
                let key = mix(self.query.stream.unwrap_or(self.query.client));
                self.snapshot.tickets[index as usize].position(key)
            }
        }
    }

    /// Returns the expected load of an edge with this client, if it can get the client.
    pub(super) fn expected(&self, index: u32) -> Option<Expected> {
        if self.is_excluded(index) {
            return None;
        }
        self.snapshot.loads[index as usize].expect(&self.forecast).ok()
    }

    /// Returns whether the query excludes the edge. Almost no query excludes any, and then the edge itself is not read.
    pub(super) fn is_excluded(&self, index: u32) -> bool {
        !self.query.excluded.is_empty() && self.query.excluded.contains(&self.snapshot.edges[index as usize].id)
    }

    /// Returns whether the client may be sent to an edge that was not found in a pool.
    fn is_eligible(&self, index: u32, zone: Option<ZoneId>) -> bool {
        let edge = &self.snapshot.edges[index as usize];
        // The hosts in this snapshot must be allowed, whatever the edge has named since.
        edge.is_allowed()
            && self.query.protocol.is_none_or(|protocol| edge.serves(protocol))
            && zone.is_none_or(|zone| edge.is_in(zone))
    }
}
