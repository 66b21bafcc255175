//! One choice in the making.

use crate::Snapshot;
use crate::affinity::{Affinity, SLACK, TOLERANCE};
use crate::forecast::Forecast;
use crate::load::{Expected, Load};
use crate::pool::Pool;
use crate::random::{Random, mix, share};
use crate::reason::{Exclusion, Reason};
use crate::rules::Policy;
use crate::selector::{SelectionQuery, Selector};
use crate::zones::ZoneId;

/// So many edges are drawn, and the best of them is taken: two are far better than one, and beyond four little is won
/// (docs/selection.md). It is also what keeps a crowd from an edge that seems empty: it gets four times its share at most.
const DRAWS: usize = 4;

/// Of at most so many edges all are looked at.
const SMALL: usize = 8;

/// So many rounds of draws are made before every edge is looked at. Draws fail only between a change of state and the
/// next snapshot, and for edges that ramp up, which the last round lets pass.
const ROUNDS: usize = 8;

/// One choice in the making.
pub(super) struct Attempt<'s> {
    pub(super) selector: &'s Selector,
    pub(super) snapshot: &'s Snapshot,
    pub(super) request: &'s SelectionQuery<'s>,
    pub(super) forecast: Forecast,
    pub(super) random: Random,
    /// Whether the client is really sent there: otherwise nobody's turn is used up.
    pub(super) is_meant: bool,
}

/// The best so far, by place; of equals each is as likely.
struct Best {
    found: Option<(u32, f32)>,
    equals: u32,
}

impl Best {
    fn new() -> Self {
        Self { found: None, equals: 0 }
    }

    fn offer(&mut self, place: u32, cost: f32, random: &mut Random) {
        match self.found {
            Some((_, least)) if cost > least => {}
            // Of n equals the n-th replaces the one before with probability 1/n, so that each is as likely.
            Some((other, least)) if cost == least => {
                if other != place {
                    self.equals += 1;
                    if random.below(self.equals) == 0 {
                        self.found = Some((place, cost));
                    }
                }
            }
            _ => {
                self.equals = 1;
                self.found = Some((place, cost));
            }
        }
    }

    fn place(self) -> Option<u32> {
        self.found.map(|(place, _)| place)
    }
}

impl Attempt<'_> {
    /// In the client's own zone, or else in those that it may spill to.
    pub(super) fn in_zone_of_client(&mut self, zone: ZoneId) -> Option<(u32, Reason)> {
        let pools = &self.snapshot.pools;
        let protocol = self.request.protocol;
        let spill = self.selector.settings.zones.spill(zone);
        if let Some(found) = pools.in_zone(zone, protocol).and_then(|pool| self.in_pool(pool, Some(zone))) {
            return Some(found);
        }
        let others = spill.first.iter().filter_map(|other| Some((pools.in_zone(*other, protocol)?, Some(*other))));
        let mut others = others.chain(spill.then_any.then(|| (pools.anywhere(protocol), None)));
        others.find_map(|(pool, zone)| self.in_pool(pool, zone)).map(|(place, _)| (place, Reason::SpillZone))
    }

    /// In a pool that holds the edges of one zone, or of all.
    pub(super) fn in_pool(&mut self, pool: &Pool, zone: Option<ZoneId>) -> Option<(u32, Reason)> {
        if pool.is_empty() {
            return None;
        }
        if let (Some(affinity), Some(stream)) = (&self.selector.affinity, self.request.stream)
            && let Some(found) = self.by_affinity(pool, zone, affinity, stream)
        {
            return Some(found);
        }
        let found = self.by_policy(pool);
        // Without those that are passed over nothing is known of the pool as a whole.
        if found.is_none() && self.is_meant && self.request.not.is_empty() {
            pool.exhaust();
        }
        Some((found?, Reason::Policy))
    }

    /// Of the edges that have the stream the least utilised; else the first in the stream's order; in either case none
    /// that is much busier than the others.
    fn by_affinity(
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
        for place in warm().filter_map(|slot| self.snapshot.place(slot)) {
            if self.is_wanted(place, zone)
                && let Some(expected) = self.expect(place)
                && has_room(&expected)
            {
                best.offer(place, expected.utilisation, &mut self.random);
            }
        }
        if let Some(place) = best.place() {
            return Some((place, Reason::AffinityWarm));
        }
        let first = self
            .first_in_order(pool, stream, |place, expected| has_room(expected) && self.reaches_stream(place, stream));
        first.map(|place| (place, Reason::AffinityHash))
    }

    /// The first edge in the order of `key` that will do.
    fn first_in_order(&self, pool: &Pool, key: u64, accept: impl Fn(u32, &Expected) -> bool) -> Option<u32> {
        let key = mix(key);
        let mut first: Option<(u32, f32)> = None;
        for place in pool.places() {
            let distance = self.snapshot.tickets[place as usize].place(key);
            if first.is_none_or(|(_, least)| distance < least)
                && self.expect(place).is_some_and(|expected| accept(place, &expected))
            {
                first = Some((place, distance));
            }
        }
        first.map(|(place, _)| place)
    }

    fn by_policy(&mut self, pool: &Pool) -> Option<u32> {
        match self.selector.settings.rules.policy {
            Policy::LeastUtilised => self.least(pool, Load::expect, |expected| expected.utilisation),
            Policy::LeastConnections => self.least(pool, Load::expect, |expected| expected.sessions_per_weight),
            Policy::LeastBandwidth => self.least(pool, Load::expect, |expected| expected.bits_per_weight),
            Policy::RoundRobin => self.next_turn(pool),
            Policy::Random => self.any(pool),
            Policy::Hash => self.first_in_order(pool, self.request.stream.unwrap_or(self.request.client), |_, _| true),
            Policy::Wowza => self.least_as_wowza(pool),
        }
    }

    pub(super) fn beyond_limits(&mut self, pool: &Pool) -> Option<u32> {
        if pool.is_empty() {
            return None;
        }
        let spill = self.request.zone.map(|zone| (zone, self.selector.settings.zones.spill(zone)));
        let Some((zone, spill)) = spill.filter(|(_, spill)| !spill.then_any) else {
            return self.least(pool, Load::expect_beyond_limits, |expected| expected.utilisation);
        };
        // Few clients are bound to zones, and fewer find all of those full: a look at every edge will do.
        let edges = &self.snapshot.edges;
        let allows =
            |place: &u32| std::iter::once(&zone).chain(spill.first).any(|zone| edges[*place as usize].is_in(*zone));
        let places = pool.places().filter(allows);
        self.best_of(places, true, &Load::expect_beyond_limits, &|expected| expected.utilisation)
    }

    /// The edge of the least cost: of all, or of a few that are drawn.
    fn least(
        &mut self,
        pool: &Pool,
        expect: impl Fn(&Load, &Forecast) -> Result<Expected, Exclusion>,
        cost: impl Fn(&Expected) -> f32,
    ) -> Option<u32> {
        if pool.len() > SMALL {
            for round in 1..=ROUNDS {
                // All are drawn before any is looked at, so that the processor fetches them side by side.
                let drawn = [(); DRAWS].map(|()| pool.draw(&mut self.random));
                let found = self.best_of(drawn, round == ROUNDS, &expect, &cost);
                if found.is_some() {
                    return found;
                }
            }
        }
        self.best_of(pool.places(), false, &expect, &cost).or_else(|| self.best_of(pool.places(), true, &expect, &cost))
    }

    /// The one of the least cost of these. Those that ramp up take part as often as their ramp says, or always.
    fn best_of(
        &mut self,
        places: impl IntoIterator<Item = u32>,
        ignore_ramp: bool,
        expect: &impl Fn(&Load, &Forecast) -> Result<Expected, Exclusion>,
        cost: &impl Fn(&Expected) -> f32,
    ) -> Option<u32> {
        let mut best = Best::new();
        for place in places {
            let load = &self.snapshot.loads[place as usize];
            if (ignore_ramp || self.reaches(load))
                && !self.is_passed_over(place)
                && let Ok(expected) = expect(load, &self.forecast)
            {
                best.offer(place, cost(&expected), &mut self.random);
            }
        }
        best.place()
    }

    fn reaches(&mut self, load: &Load) -> bool {
        // Luck is drawn for those only that need it.
        !load.is_ramping()
            || load.is_reached(&self.forecast, self.selector.settings.rules.ramp, share(self.random.number()))
    }

    /// Whether an edge that ramps up is reached by this stream yet: by the same ones for all clients and balancers, and
    /// by more and more of them.
    fn reaches_stream(&self, place: u32, stream: u64) -> bool {
        let place = place as usize;
        let luck = share(mix(stream ^ self.snapshot.tickets[place].seed.rotate_left(32)));
        self.snapshot.loads[place].is_reached(&self.forecast, self.selector.settings.rules.ramp, luck)
    }

    /// One after the other; an edge of a smaller weight sits out as many rounds as its share says.
    fn next_turn(&self, pool: &Pool) -> Option<u32> {
        let heaviest = pool.heaviest();
        // Twice round is enough for everybody to have had a chance, unless weights differ more than that.
        let mut turns = pool.turn()..;
        for _ in 0..2 * pool.len() {
            let turn = if self.is_meant { pool.next_turn() } else { turns.next()? };
            let (place, round) = pool.at_turn(turn);
            let share = f64::from(self.snapshot.edges[place as usize].weight()) / f64::from(heaviest);
            let has_turn = (((round + 1) as f64 * share) as u64) > ((round as f64 * share) as u64);
            if has_turn && self.expect(place).is_some() {
                return Some(place);
            }
        }
        pool.places().find(|place| self.expect(*place).is_some())
    }

    fn any(&mut self, pool: &Pool) -> Option<u32> {
        for _ in 0..DRAWS * ROUNDS {
            let place = pool.draw(&mut self.random);
            if self.expect(place).is_some() {
                return Some(place);
            }
        }
        pool.places().find(|place| self.expect(*place).is_some())
    }

    /// The order of the original: connections and hand-outs since the last report, and then the GUID.
    fn least_as_wowza(&self, pool: &Pool) -> Option<u32> {
        let loads = &self.snapshot.loads;
        let cost = |place: &u32| {
            let load = &loads[*place as usize];
            load.connections().unwrap_or(0).saturating_add(load.assignments_since_report())
        };
        // Edges of a snapshot, and of a pool, are in the order of their GUIDs, and the first of equals is taken.
        pool.places().filter(|place| self.expect(*place).is_some()).min_by_key(cost)
    }

    /// What it is expected to carry with this client, if it can get it.
    pub(super) fn expect(&self, place: u32) -> Option<Expected> {
        if self.is_passed_over(place) {
            return None;
        }
        self.snapshot.loads[place as usize].expect(&self.forecast).ok()
    }

    /// Whether the client could not be brought there. Almost nobody has such edges, and then no edge is looked at.
    fn is_passed_over(&self, place: u32) -> bool {
        !self.request.not.is_empty() && self.request.not.contains(&self.snapshot.edges[place as usize].id)
    }

    /// Whether the edge is one that the client may be sent to at all, when it was not found in a pool.
    fn is_wanted(&self, place: u32, zone: Option<ZoneId>) -> bool {
        let edge = &self.snapshot.edges[place as usize];
        // What it names in this snapshot must be allowed, whatever it has named since.
        edge.is_allowed()
            && self.request.protocol.is_none_or(|protocol| edge.serves(protocol))
            && zone.is_none_or(|zone| edge.is_in(zone))
    }
}
