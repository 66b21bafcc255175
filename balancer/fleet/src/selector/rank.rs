//! Several edges for one client, in the order of preference.

use std::sync::Arc;

use smallvec::SmallVec;

use super::search::Search;
use super::{Choice, Selector};
use crate::edge::Edge;
use crate::policy::{Cost, Draw};
use crate::pool::Pool;
use crate::query::SelectionQuery;
use crate::random::{Random, mix};
use crate::snapshot::Snapshot;
use crate::time::Time;

/// The maximum number of ranked edges: a player that failed to play from eight edges will fail with the ninth.
pub const MAX_RANKED: usize = 8;

/// The number of edges that are drawn from a larger pool, and of which the best are ranked.
const SAMPLE: usize = 4 * MAX_RANKED;

/// Indices of edges with their costs, the lowest first.
type Lowest = SmallVec<[(u32, f32); MAX_RANKED]>;

impl Selector {
    /// Returns the edges that a client could get at `now`, in the order in which they would be chosen, up to
    /// [`MAX_RANKED`]. Counts nothing.
    ///
    /// Edges of the client's zone come before those of the zones that it may spill to. From a large pool some edges are
    /// drawn, so that the cost does not grow with the fleet; except with policies that consider every edge in any case.
    #[must_use]
    pub fn rank<'s>(
        &self,
        snapshot: &'s Snapshot,
        query: &SelectionQuery,
        now: Time,
        random: u64,
    ) -> Vec<&'s Arc<Edge>> {
        let mut ranked: Vec<&Arc<Edge>> = Vec::with_capacity(MAX_RANKED);
        if let Ok(Choice::Edge(first, _)) = self.preview(snapshot, query, now, random) {
            ranked.push(first);
        }
        let forecast = snapshot.forecast(now);
        let random = Random::new(mix(random));
        let mut search = Search { selector: self, snapshot, query, forecast, random, counts: false };
        for pool in self.pools(snapshot, query).filter(|pool| !pool.is_empty()) {
            for (index, _) in search.lowest_costs(pool) {
                let edge = &snapshot.edges[index as usize];
                if ranked.len() == MAX_RANKED {
                    return ranked;
                }
                if ranked.iter().all(|other| other.id != edge.id) {
                    ranked.push(edge);
                }
            }
        }
        ranked
    }

    /// Returns the pools from which the client may get an edge, the client's own zone first.
    fn pools<'s>(&'s self, snapshot: &'s Snapshot, query: &SelectionQuery) -> impl Iterator<Item = &'s Pool> {
        let (pools, protocol) = (&snapshot.pools, query.protocol);
        let spill = query.zone.map(|zone| self.settings.zones.spill(zone));
        let (spill_first, spill_any) = spill.map_or((&[][..], true), |spill| (spill.first, spill.then_any));
        let zones = query.zone.into_iter().chain(spill_first.iter().copied());
        let in_zones = zones.filter_map(move |zone| pools.in_zone(zone, protocol));
        in_zones.chain(spill_any.then(|| pools.any_zone(protocol)))
    }
}

impl Search<'_> {
    /// Returns the edges of the lowest costs, of a pool or of a sample of it.
    fn lowest_costs(&mut self, pool: &Pool) -> Lowest {
        let rules = &self.selector.settings.rules;
        let is_by_stream = rules.affinity && self.query.stream.is_some();
        let cost = if is_by_stream { Cost::StreamOrder } else { rules.policy.cost() };
        let considers_all = is_by_stream || rules.policy.draw() == Draw::First;
        let mut lowest = Lowest::new();
        if considers_all || pool.len() <= SAMPLE {
            pool.indices().for_each(|index| self.insert(&mut lowest, index, cost));
        } else {
            for _ in 0..SAMPLE {
                let index = pool.draw(&mut self.random);
                self.insert(&mut lowest, index, cost);
            }
        }
        lowest
    }

    /// Inserts an edge by its cost, if it accepts clients and its cost is among the lowest.
    fn insert(&self, lowest: &mut Lowest, index: u32, cost: Cost) {
        let Some(expected) = self.expected(index) else { return };
        let cost = self.cost(cost, index, &expected);
        let position = lowest.iter().position(|(_, other)| cost < *other).unwrap_or(lowest.len());
        if position == MAX_RANKED || lowest.iter().any(|(other, _)| *other == index) {
            return;
        }
        lowest.truncate(MAX_RANKED - 1);
        lowest.insert(position, (index, cost));
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::{EdgeId, Name, Report};

    use super::*;
    use crate::policy::Policy;
    use crate::rules::Rules;
    use crate::settings::FleetSettings;
    use crate::testing::{at, id, report, snapshot_on};
    use crate::zone_id::ZoneId;
    use crate::zones::{ZoneDefinition, Zones};

    fn loaded(connections: u64) -> Report<'static> {
        let mut report = report();
        report.load.connections = Some(connections);
        report
    }

    fn ranked(settings: &FleetSettings, reports: &[Report<'_>], query: &SelectionQuery<'_>) -> Vec<EdgeId> {
        let snapshot = snapshot_on(settings, reports);
        let selector = Selector::new(settings.clone(), []);
        let ids = selector.rank(&snapshot, query, at(0), 7).into_iter().map(|edge| edge.id).collect();
        assert_eq!(snapshot.edges.iter().map(|edge| edge.load.assignments()).sum::<u64>(), 0, "nothing is counted");
        ids
    }

    #[test]
    fn edges_are_ranked_in_the_order_in_which_they_would_be_chosen() {
        let reports = [300, 100, 200].map(loaded);
        for policy in [Policy::LeastUtilised, Policy::LeastConnections, Policy::Wowza] {
            let settings = FleetSettings { rules: Rules { policy, ..Rules::default() }, ..FleetSettings::default() };
            let any_client = SelectionQuery::default();
            assert_eq!(ranked(&settings, &reports, &any_client), [id(2), id(3), id(1)], "{policy:?}");
            assert_eq!(
                ranked(&settings, &reports, &SelectionQuery { excluded: &[id(2)], ..any_client }),
                [id(3), id(1)],
                "{policy:?}"
            );
        }
    }

    #[test]
    fn a_ranking_of_any_fleet_is_short_and_has_no_edge_twice() {
        let reports: Vec<Report<'_>> = (0..200).map(loaded).collect();
        for policy in Policy::ALL {
            for affinity in [false, true] {
                let settings =
                    FleetSettings { rules: Rules { policy, affinity, ..Rules::default() }, ..FleetSettings::default() };
                let query = SelectionQuery { stream: Some(5), ..SelectionQuery::default() };
                let mut ids = ranked(&settings, &reports, &query);
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), MAX_RANKED, "{policy:?}, affinity {affinity}");
            }
        }
    }

    #[test]
    fn the_zone_of_the_client_comes_before_those_that_it_may_spill_to() {
        let zone = |name: &str, spill: &[&str]| ZoneDefinition {
            name: name.to_owned(),
            spill: spill.iter().map(|zone| (*zone).to_owned()).collect(),
            ..ZoneDefinition::default()
        };
        let zones = Zones::new(vec![zone("eu", &["us"]), zone("us", &[]), zone("asia", &[])]).unwrap();
        let settings = FleetSettings { zones: Arc::new(zones), ..FleetSettings::default() };
        let reports = [("asia", 0), ("us", 10), ("eu", 600), ("eu", 500)]
            .map(|(zone, load)| loaded(load).with(|report| report.zone = Name::new(zone).ok()));
        let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..SelectionQuery::default() };
        assert_eq!(ranked(&settings, &reports, &european), [id(4), id(3), id(2)]);
    }
}
