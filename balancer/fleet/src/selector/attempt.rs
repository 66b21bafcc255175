//! One choice in the making.

use crate::Snapshot;
use crate::affinity::{Affinity, SLACK, TOLERANCE};
use crate::forecast::Forecast;
use crate::load::{Expected, Load};
use crate::policy::{Cost, Draw};
use crate::pool::Pool;
use crate::query::SelectionQuery;
use crate::random::{Random, mix, share};
use crate::reason::{Exclusion, Reason};
use crate::selector::Selector;
use crate::zone_id::ZoneId;

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
        let accept = |place, expected: &Expected| has_room(expected) && self.reaches_stream(place, stream);
        self.first(pool, Cost::StreamOrder, accept).map(|place| (place, Reason::AffinityHash))
    }

    fn by_policy(&mut self, pool: &Pool) -> Option<u32> {
        let policy = self.selector.settings.rules.policy;
        match policy.draw() {
            Draw::Sample => self.least(pool, Load::expect, policy.cost()),
            Draw::First => self.first(pool, policy.cost(), |_, _| true),
            Draw::Turn => self.next_turn(pool),
            Draw::Any => self.any(pool),
        }
    }

    /// The cost of an edge that is expected to carry this.
    pub(super) fn cost(&self, cost: Cost, place: u32, expected: &Expected) -> f32 {
        match cost {
            Cost::Utilisation => expected.utilisation,
            Cost::SessionsPerWeight => expected.sessions_per_weight,
            Cost::BitsPerWeight => expected.bits_per_weight,
            Cost::ReportedSessions => {
                let load = &self.snapshot.loads[place as usize];
                load.connections().unwrap_or(0).saturating_add(load.assignments_since_report()) as f32
            }
            Cost::StreamOrder => {
                let key = mix(self.request.stream.unwrap_or(self.request.client));
                self.snapshot.tickets[place as usize].place(key)
            }
        }
    }

    /// The edge of the least cost of those that will do; of equals the first by GUID, since that is the order of a pool.
    fn first(&self, pool: &Pool, cost: Cost, accept: impl Fn(u32, &Expected) -> bool) -> Option<u32> {
        // It matters only to costs that come from it, and takes longer to find out than the others.
        let unknown = Expected::default();
        let is_expected = matches!(cost, Cost::Utilisation | Cost::SessionsPerWeight | Cost::BitsPerWeight);
        let mut first: Option<(u32, f32)> = None;
        for place in pool.places() {
            let is_less = |cost: f32| first.is_none_or(|(_, least)| cost < least);
            if !is_expected && !is_less(self.cost(cost, place, &unknown)) {
                continue;
            }
            let Some(expected) = self.expect(place) else { continue };
            let cost = self.cost(cost, place, &expected);
            if is_less(cost) && accept(place, &expected) {
                first = Some((place, cost));
            }
        }
        first.map(|(place, _)| place)
    }

    pub(super) fn beyond_limits(&mut self, pool: &Pool) -> Option<u32> {
        if pool.is_empty() {
            return None;
        }
        let spill = self.request.zone.map(|zone| (zone, self.selector.settings.zones.spill(zone)));
        let Some((zone, spill)) = spill.filter(|(_, spill)| !spill.then_any) else {
            return self.least(pool, Load::expect_beyond_limits, Cost::Utilisation);
        };
        // Few clients are bound to zones, and fewer find all of those full: a look at every edge will do.
        let edges = &self.snapshot.edges;
        let allows =
            |place: &u32| std::iter::once(&zone).chain(spill.first).any(|zone| edges[*place as usize].is_in(*zone));
        let places = pool.places().filter(allows);
        self.best_of(places, true, &Load::expect_beyond_limits, Cost::Utilisation)
    }

    /// The edge of the least cost: of all, or of a few that are drawn.
    fn least(
        &mut self,
        pool: &Pool,
        expect: impl Fn(&Load, &Forecast) -> Result<Expected, Exclusion>,
        cost: Cost,
    ) -> Option<u32> {
        if pool.len() > SMALL {
            for round in 1..=ROUNDS {
                // All are drawn before any is looked at, so that the processor fetches them side by side.
                let drawn = [(); DRAWS].map(|()| pool.draw(&mut self.random));
                let found = self.best_of(drawn, round == ROUNDS, &expect, cost);
                if found.is_some() {
                    return found;
                }
            }
        }
        self.best_of(pool.places(), false, &expect, cost).or_else(|| self.best_of(pool.places(), true, &expect, cost))
    }

    /// The one of the least cost of these. Those that ramp up take part as often as their ramp says, or always.
    fn best_of(
        &mut self,
        places: impl IntoIterator<Item = u32>,
        ignore_ramp: bool,
        expect: &impl Fn(&Load, &Forecast) -> Result<Expected, Exclusion>,
        cost: Cost,
    ) -> Option<u32> {
        let mut best = Best::new();
        for place in places {
            let load = &self.snapshot.loads[place as usize];
            if (ignore_ramp || self.reaches(load))
                && !self.is_passed_over(place)
                && let Ok(expected) = expect(load, &self.forecast)
            {
                let cost = self.cost(cost, place, &expected);
                best.offer(place, cost, &mut self.random);
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
