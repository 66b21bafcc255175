//! Edges that a client may be sent to, ready to be drawn from.
//!
//! A draw must be as likely as an edge is large, and cost the same for ten edges as for 100,000: that is what an alias
//! table does (Walker, An efficient method for generating discrete random variables with general distributions, 1977;
//! built by Vose's method, 1991).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::atomic::AtomicF32;
use crate::edge::Edge;
use crate::policy::Share;
use crate::protocol::Protocol;
use crate::query::SelectionQuery;
use crate::random::Random;
use crate::reason::Refusal;
use crate::rules::{Rules, WhenFull};
use crate::state::State;
use crate::zone_id::ZoneId;
use crate::zones::Zones;

/// Edges by their place in the snapshot, and how likely each is drawn.
#[derive(Debug, Default)]
pub(super) struct Pool {
    cells: Box<[Cell]>,
    /// The largest weight in it.
    heaviest: f32,
    /// Counts for the policy that takes turns.
    turn: AtomicU64,
    /// A choice has found that nobody here takes clients, although the snapshot thought so: the next one will know.
    exhausted: AtomicBool,
    /// The utilisation of all together, and the lowest; kept up while streams are kept together.
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
    /// A pool of these edges, given by their place and their share.
    fn new(members: &[(u32, f32)], heaviest: f32) -> Self {
        let total: f64 = members.iter().map(|(_, share)| f64::from(*share)).sum();
        let scale = members.len() as f64 / total;
        let mut left: Vec<f64> = members.iter().map(|(_, share)| f64::from(*share) * scale).collect();
        let mut cells: Box<[Cell]> =
            members.iter().map(|(place, _)| Cell { threshold: u32::MAX, own: *place, other: *place }).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..members.len()).partition(|&index| left[index] < 1.0);
        // Each cell that its own edge does not fill is filled up by a larger one. What rounding leaves is full.
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
        Self { cells, heaviest, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nobody can be drawn, as far as is known.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty() || self.exhausted.load(Ordering::Relaxed)
    }

    /// The place of an edge, drawn as likely as its share. The pool must not be empty.
    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        let number = random.number();
        // The upper half says which cell, the lower which side of it.
        let index = ((number >> 32) * self.cells.len() as u64) >> 32;
        let cell = self.cells[index as usize];
        if number as u32 <= cell.threshold { cell.own } else { cell.other }
    }

    /// The places of all edges.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        self.cells.iter().map(|cell| cell.own)
    }

    /// Whose turn it is; from then on it is the next one's.
    pub(super) fn next_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Whose turn it is.
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// The place of the edge whose turn this is, and how often all had theirs before.
    pub(super) fn at_turn(&self, turn: u64) -> (u32, u64) {
        let count = self.cells.len() as u64;
        (self.cells[(turn % count) as usize].own, turn / count)
    }

    pub(super) fn heaviest(&self) -> f32 {
        self.heaviest
    }

    pub(super) fn exhaust(&self) {
        self.exhausted.store(true, Ordering::Relaxed);
    }

    /// Whether the snapshot that it is in should be made anew.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    pub(super) fn set_utilisation(&self, mean: f32, lowest: f32) {
        self.mean.set(mean);
        self.lowest.set(lowest);
    }

    /// The utilisation of all together, and the lowest.
    pub(super) fn utilisation(&self) -> (f32, f32) {
        (self.mean.get(), self.lowest.get())
    }
}

/// One pool for clients whose protocol is not known, and one for each protocol.
type ByProtocol = [Arc<Pool>; 1 + Protocol::ALL.len()];

/// The pools of a snapshot. Those that have the same edges are the same pool.
#[derive(Debug, Default)]
pub(super) struct Pools {
    anywhere: ByProtocol,
    zones: Box<[ByProtocol]>,
    /// Full edges too; only with [`WhenFull::BestEffort`].
    last_resort: Option<ByProtocol>,
    /// Whether there are edges that are full and nothing else, as for the pools: anywhere …
    full: Full,
    /// … and in each zone.
    full_in_zones: Box<[Full]>,
}

/// As [`ByProtocol`].
type Full = [bool; 1 + Protocol::ALL.len()];

fn index(protocol: Option<Protocol>) -> usize {
    protocol.map_or(0, |protocol| 1 + protocol as usize)
}

impl Pools {
    pub(super) fn new(edges: &[Arc<Edge>], rules: &Rules, zones: &Zones) -> Self {
        let takes_clients = |edge: &Edge| edge.load.state() == State::Running && edge.is_allowed();
        let has_room = |edge: &Edge| takes_clients(edge) && !edge.load.is_full();
        let anywhere = by_protocol(edges, rules, has_room);
        let ids = || (0..zones.len()).filter_map(|index| u16::try_from(index).ok()).map(ZoneId::at);
        let is_full = |edge: &Edge| takes_clients(edge) && edge.load.is_full();
        let full = any_by_protocol(edges, is_full);
        let full_in_zones =
            ids().map(|zone| any_by_protocol(edges, |edge| is_full(edge) && edge.is_in(zone))).collect();
        let zones = ids().map(|zone| by_protocol(edges, rules, |edge| has_room(edge) && edge.is_in(zone))).collect();
        let last_resort = (rules.when_full == WhenFull::BestEffort).then(|| by_protocol(edges, rules, takes_clients));
        Self { anywhere, zones, last_resort, full, full_in_zones }
    }

    /// Every edge with room that speaks the protocol.
    pub(super) fn anywhere(&self, protocol: Option<Protocol>) -> &Pool {
        &self.anywhere[index(protocol)]
    }

    /// Those where clients of the zone are at home.
    pub(super) fn in_zone(&self, zone: ZoneId, protocol: Option<Protocol>) -> Option<&Pool> {
        Some(&self.zones.get(zone.index())?[index(protocol)])
    }

    /// Full ones too, if that is wanted.
    pub(super) fn last_resort(&self, protocol: Option<Protocol>) -> Option<&Pool> {
        Some(&self.last_resort.as_ref()?[index(protocol)])
    }

    /// Why nobody here could be chosen.
    pub(super) fn refusal(&self, request: &SelectionQuery<'_>) -> Refusal {
        let index = index(request.protocol);
        let anywhere = &self.anywhere[index];
        if let Some(zone) = request.zone
            && !anywhere.is_empty()
        {
            let is_full = self.full_in_zones.get(zone.index()).is_some_and(|full| full[index]);
            return if is_full { Refusal::Full } else { Refusal::ZoneNotServed };
        }
        // Who was found to take nobody since the snapshot was made is full, or else has changed its state just now.
        if self.full[index] || anywhere.is_exhausted() {
            return Refusal::Full;
        }
        if self.full[0] || !self.anywhere[0].is_empty() { Refusal::ProtocolNotServed } else { Refusal::NoneAvailable }
    }

    /// Goes on where the pools before these have come to in taking turns.
    pub(super) fn take_turns_from(&self, before: &Self) {
        for (pool, before) in self.all().zip(before.all()) {
            pool.turn.store(before.turn.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Every pool that choices are made from, each once.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Pool> {
        let groups = std::iter::once(&self.anywhere).chain(&self.zones);
        groups.flat_map(|[any, by_protocol @ ..]| {
            let others = by_protocol.iter().filter(|pool| !Arc::ptr_eq(pool, any));
            std::iter::once(any).chain(others).map(|pool| &**pool)
        })
    }

    /// One for each place and protocol, in an order that stays; the same pool may come several times.
    fn all(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.anywhere.iter().chain(self.zones.iter().flatten())
    }
}

fn any_by_protocol(edges: &[Arc<Edge>], accept: impl Fn(&Edge) -> bool) -> Full {
    let mut any = [edges.iter().any(|edge| accept(edge)); 1 + Protocol::ALL.len()];
    for protocol in Protocol::ALL {
        any[index(Some(protocol))] = edges.iter().any(|edge| accept(edge) && edge.serves(protocol));
    }
    any
}

fn by_protocol(edges: &[Arc<Edge>], rules: &Rules, accept: impl Fn(&Edge) -> bool) -> ByProtocol {
    let share = |edge: &Edge| match rules.policy.share() {
        Share::Capacity => edge.size(),
        Share::Weight => edge.weight(),
    };
    let accepted: Vec<(u32, &Edge)> =
        (0..).zip(edges).filter(|(_, edge)| accept(edge)).map(|(place, edge)| (place, &**edge)).collect();
    let pool = |edges: &[(u32, &Edge)]| {
        let members: Vec<(u32, f32)> = edges.iter().map(|(place, edge)| (*place, share(edge))).collect();
        let heaviest = edges.iter().fold(0.0, |heaviest: f32, (_, edge)| heaviest.max(edge.weight()));
        Arc::new(Pool::new(&members, heaviest))
    };
    let any = pool(&accepted);
    let mut pools = [(); 1 + Protocol::ALL.len()].map(|()| Arc::clone(&any));
    for protocol in Protocol::ALL {
        let speaking: Vec<_> = accepted.iter().copied().filter(|(_, edge)| edge.serves(protocol)).collect();
        if speaking.len() < accepted.len() {
            pools[index(Some(protocol))] = pool(&speaking);
        }
    }
    pools
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn edges_are_drawn_as_often_as_their_share_says(shares in prop::collection::vec(0.01_f32..100.0, 1..50)) {
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
