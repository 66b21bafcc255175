//! Which edges a client would get, one after the other.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::Snapshot;
use crate::edge::Edge;
use crate::policy::{Cost, Draw};
use crate::pool::Pool;
use crate::query::SelectionQuery;
use crate::random::{Random, mix};
use crate::selector::attempt::Attempt;
use crate::selector::{Choice, Selector};
use crate::time::Time;

/// So many edges are named at most: a player that could not play from eight edges will not from the ninth.
pub const MOST_RANKED: usize = 8;

/// Of larger pools so many are drawn, and the best of them are taken.
const SAMPLE: usize = 4 * MOST_RANKED;

/// Places with what speaks against them, the least first.
type Best = SmallVec<[(u32, f32); MOST_RANKED]>;

impl Selector {
    /// The edges that a client could get at `now`, in the order in which they would be chosen, at most [`MOST_RANKED`].
    /// Nothing is counted.
    ///
    /// Edges of the client's zone come before those that it may spill to. Of large pools some are drawn, so that the cost
    /// does not grow with the fleet, but for the policies that look at every edge in any case.
    #[must_use]
    pub fn rank<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &SelectionQuery,
        now: Time,
        random: u64,
    ) -> Vec<&'s Arc<Edge>> {
        let mut ranked: Vec<&Arc<Edge>> = Vec::with_capacity(MOST_RANKED);
        if let Ok(Choice::Edge(first, _)) = self.preview(snapshot, request, now, random) {
            ranked.push(first);
        }
        let forecast = snapshot.forecast(now);
        let random = Random::new(mix(random));
        let mut attempt = Attempt { selector: self, snapshot, request, forecast, random, is_meant: false };
        for pool in self.pools(snapshot, request).filter(|pool| !pool.is_empty()) {
            for (place, _) in attempt.best(pool) {
                let edge = &snapshot.edges[place as usize];
                if ranked.len() == MOST_RANKED {
                    return ranked;
                }
                if ranked.iter().all(|other| other.id != edge.id) {
                    ranked.push(edge);
                }
            }
        }
        ranked
    }

    /// The pools that the client may get an edge of, the nearest first.
    fn pools<'s>(&'s self, snapshot: &'s Snapshot, request: &SelectionQuery) -> impl Iterator<Item = &'s Pool> {
        let (pools, protocol) = (&snapshot.pools, request.protocol);
        let spill = request.zone.map(|zone| self.settings.zones.spill(zone));
        let (spill_first, spill_any) = spill.map_or((&[][..], true), |spill| (spill.first, spill.then_any));
        let zones = request.zone.into_iter().chain(spill_first.iter().copied());
        let near = zones.filter_map(move |zone| pools.in_zone(zone, protocol));
        near.chain(spill_any.then(|| pools.anywhere(protocol)))
    }
}

impl Attempt<'_> {
    /// The best of a pool, or of some of it.
    fn best(&mut self, pool: &Pool) -> Best {
        let rules = &self.selector.settings.rules;
        let is_by_stream = rules.affinity && self.request.stream.is_some();
        let cost = if is_by_stream { Cost::StreamOrder } else { rules.policy.cost() };
        let looks_at_all = is_by_stream || rules.policy.draw() == Draw::First;
        let mut best = Best::new();
        if looks_at_all || pool.len() <= SAMPLE {
            pool.places().for_each(|place| self.offer(&mut best, place, cost));
        } else {
            for _ in 0..SAMPLE {
                let place = pool.draw(&mut self.random);
                self.offer(&mut best, place, cost);
            }
        }
        best
    }

    /// Puts an edge in its place among the best, if it takes clients and is one of them.
    fn offer(&self, best: &mut Best, place: u32, cost: Cost) {
        let Some(expected) = self.expect(place) else { return };
        let cost = self.cost(cost, place, &expected);
        let position = best.iter().position(|(_, other)| cost < *other).unwrap_or(best.len());
        if position == MOST_RANKED || best.iter().any(|(other, _)| *other == place) {
            return;
        }
        best.truncate(MOST_RANKED - 1);
        best.insert(position, (place, cost));
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::{EdgeId, Report};

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

    fn ranked(settings: &FleetSettings, reports: &[Report<'_>], request: &SelectionQuery<'_>) -> Vec<EdgeId> {
        let snapshot = snapshot_on(settings, reports);
        let selector = Selector::new(settings.clone(), []);
        let ids = selector.rank(&snapshot, request, at(0), 7).into_iter().map(|edge| edge.id).collect();
        assert_eq!(snapshot.edges.iter().map(|edge| edge.load.assignments()).sum::<u64>(), 0, "nobody is counted");
        ids
    }

    #[test]
    fn edges_are_ranked_as_they_would_be_chosen() {
        let reports = [300, 100, 200].map(loaded);
        for policy in [Policy::LeastUtilised, Policy::LeastConnections, Policy::Wowza] {
            let settings = FleetSettings { rules: Rules { policy, ..Rules::default() }, ..FleetSettings::default() };
            let anybody = SelectionQuery::default();
            assert_eq!(ranked(&settings, &reports, &anybody), [id(2), id(3), id(1)], "{policy:?}");
            assert_eq!(
                ranked(&settings, &reports, &SelectionQuery { not: &[id(2)], ..anybody }),
                [id(3), id(1)],
                "{policy:?}"
            );
        }
    }

    #[test]
    fn a_ranking_is_short_whatever_the_fleet_and_names_nobody_twice() {
        let reports: Vec<Report<'_>> = (0..200).map(loaded).collect();
        for policy in Policy::ALL {
            for affinity in [false, true] {
                let settings =
                    FleetSettings { rules: Rules { policy, affinity, ..Rules::default() }, ..FleetSettings::default() };
                let request = SelectionQuery { stream: Some(5), ..SelectionQuery::default() };
                let mut ids = ranked(&settings, &reports, &request);
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), MOST_RANKED, "{policy:?}, affinity {affinity}");
            }
        }
    }

    #[test]
    fn the_client_s_zone_comes_first_and_then_those_that_it_may_spill_to() {
        let zone = |name: &str, spill: &[&str]| ZoneDefinition {
            name: name.to_owned(),
            spill: spill.iter().map(|zone| (*zone).to_owned()).collect(),
            ..ZoneDefinition::default()
        };
        let zones = Zones::new(vec![zone("eu", &["us"]), zone("us", &[]), zone("asia", &[])]).unwrap();
        let settings = FleetSettings { zones: Arc::new(zones), ..FleetSettings::default() };
        let reports = [("asia", 0), ("us", 10), ("eu", 600), ("eu", 500)]
            .map(|(zone, load)| Report { zone: Some(zone), ..loaded(load) });
        let european = SelectionQuery { zone: Some(ZoneId::at(0)), ..SelectionQuery::default() };
        assert_eq!(ranked(&settings, &reports, &european), [id(4), id(3), id(2)]);
    }
}
