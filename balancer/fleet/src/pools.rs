//! The pools of a snapshot: one for each combination of zone and protocol.

use std::sync::Arc;

use crate::edge::Edge;
use crate::policy::Share;
use crate::pool::Pool;
use crate::protocol::Protocol;
use crate::query::SelectionQuery;
use crate::reason::Refusal;
use crate::rules::{Rules, WhenFull};
use crate::state::State;
use crate::zone_id::ZoneId;
use crate::zones::Zones;

/// One value for clients of unknown protocol, and one for each protocol; see [`index_of`].
type ByProtocol<T> = [T; 1 + Protocol::ALL.len()];

/// The pools of a snapshot. Pools that have the same edges are shared.
#[derive(Debug, Default)]
pub(super) struct Pools {
    /// The edges of all zones.
    any_zone: ByProtocol<Arc<Pool>>,
    /// The edges of each configured zone.
    by_zone: Box<[ByProtocol<Arc<Pool>>]>,
    /// The edges of all zones, full ones included; only with [`WhenFull::BestEffort`].
    last_resort: Option<ByProtocol<Arc<Pool>>>,
    /// Whether an edge would accept clients but for its limits: in any zone …
    full: ByProtocol<bool>,
    /// … and in each configured zone.
    full_by_zone: Box<[ByProtocol<bool>]>,
}

fn index_of(protocol: Option<Protocol>) -> usize {
    protocol.map_or(0, |protocol| 1 + protocol as usize)
}

impl Pools {
    pub(super) fn new(edges: &[Arc<Edge>], rules: &Rules, zones: &Zones) -> Self {
        let accepts_clients = |edge: &Edge| edge.load.state() == State::Running && edge.is_allowed();
        let has_room = |edge: &Edge| accepts_clients(edge) && !edge.load.is_full();
        let any_zone = pools_by_protocol(edges, rules, has_room);
        let ids = || (0..zones.len()).filter_map(|index| u16::try_from(index).ok()).map(ZoneId::at);
        let is_full = |edge: &Edge| accepts_clients(edge) && edge.load.is_full();
        let full = any_by_protocol(edges, is_full);
        let full_by_zone = ids().map(|zone| any_by_protocol(edges, |edge| is_full(edge) && edge.is_in(zone))).collect();
        let by_zone =
            ids().map(|zone| pools_by_protocol(edges, rules, |edge| has_room(edge) && edge.is_in(zone))).collect();
        let last_resort =
            (rules.when_full == WhenFull::BestEffort).then(|| pools_by_protocol(edges, rules, accepts_clients));
        Self { any_zone, by_zone, last_resort, full, full_by_zone }
    }

    /// Returns the pool of every edge with room that serves the protocol.
    pub(super) fn any_zone(&self, protocol: Option<Protocol>) -> &Pool {
        &self.any_zone[index_of(protocol)]
    }

    /// Returns the pool of those that belong to the zone.
    pub(super) fn in_zone(&self, zone: ZoneId, protocol: Option<Protocol>) -> Option<&Pool> {
        Some(&self.by_zone.get(zone.index())?[index_of(protocol)])
    }

    /// Returns the pool of every edge that serves the protocol, full ones included, if full edges may get clients.
    pub(super) fn last_resort(&self, protocol: Option<Protocol>) -> Option<&Pool> {
        Some(&self.last_resort.as_ref()?[index_of(protocol)])
    }

    /// Returns why no edge could be chosen.
    pub(super) fn refusal(&self, query: &SelectionQuery<'_>) -> Refusal {
        let index = index_of(query.protocol);
        let any_zone = &self.any_zone[index];
        if let Some(zone) = query.zone
            && !any_zone.is_empty()
        {
            let is_full = self.full_by_zone.get(zone.index()).is_some_and(|full| full[index]);
            return if is_full { Refusal::Full } else { Refusal::ZoneNotServed };
        }
        // Edges that stopped accepting clients after the snapshot was made are full, or have just changed their state.
        if self.full[index] || any_zone.is_exhausted() {
            return Refusal::Full;
        }
        if self.full[0] || !self.any_zone[0].is_empty() { Refusal::ProtocolNotServed } else { Refusal::NoneAvailable }
    }

    /// Continues the round robin where the pools of the previous snapshot are.
    pub(super) fn continue_turns_of(&self, before: &Self) {
        for (pool, before) in self.all().zip(before.all()) {
            pool.continue_turns_of(before);
        }
    }

    /// Returns every pool that choices are made from, each once.
    pub(super) fn distinct(&self) -> impl Iterator<Item = &Pool> {
        let groups = std::iter::once(&self.any_zone).chain(&self.by_zone);
        groups.flat_map(|[any, by_protocol @ ..]| {
            let others = by_protocol.iter().filter(|pool| !Arc::ptr_eq(pool, any));
            std::iter::once(any).chain(others).map(|pool| &**pool)
        })
    }

    /// Returns the pools of each zone and protocol, in an order that is the same in every snapshot. A shared pool comes
    /// several times.
    fn all(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.any_zone.iter().chain(self.by_zone.iter().flatten())
    }
}

fn any_by_protocol(edges: &[Arc<Edge>], accept: impl Fn(&Edge) -> bool) -> ByProtocol<bool> {
    let mut any = [edges.iter().any(|edge| accept(edge)); 1 + Protocol::ALL.len()];
    for protocol in Protocol::ALL {
        any[index_of(Some(protocol))] = edges.iter().any(|edge| accept(edge) && edge.serves(protocol));
    }
    any
}

fn pools_by_protocol(edges: &[Arc<Edge>], rules: &Rules, accept: impl Fn(&Edge) -> bool) -> ByProtocol<Arc<Pool>> {
    let share = |edge: &Edge| match rules.policy.share() {
        Share::Capacity => edge.size(),
        Share::Weight => edge.weight(),
    };
    let accepted: Vec<(u32, &Edge)> =
        (0..).zip(edges).filter(|(_, edge)| accept(edge)).map(|(index, edge)| (index, &**edge)).collect();
    let pool = |edges: &[(u32, &Edge)]| {
        let members: Vec<(u32, f32)> = edges.iter().map(|(index, edge)| (*index, share(edge))).collect();
        let max_weight = edges.iter().fold(0.0, |max: f32, (_, edge)| max.max(edge.weight()));
        Arc::new(Pool::new(&members, max_weight))
    };
    let any = pool(&accepted);
    let mut pools = [(); 1 + Protocol::ALL.len()].map(|()| Arc::clone(&any));
    for protocol in Protocol::ALL {
        let serving: Vec<_> = accepted.iter().copied().filter(|(_, edge)| edge.serves(protocol)).collect();
        if serving.len() < accepted.len() {
            pools[index_of(Some(protocol))] = pool(&serving);
        }
    }
    pools
}
