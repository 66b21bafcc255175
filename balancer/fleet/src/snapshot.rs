//! The fleet as those see it who choose from it.

use std::sync::Arc;

use weir_protocol::EdgeId;

use crate::affinity::Ticket;
use crate::edge::Edge;
use crate::forecast::{Forecast, Learned};
use crate::load::Load;
use crate::pool::Pools;
use crate::query::SelectionQuery;
use crate::reason::Refusal;
use crate::settings::FleetSettings;
use crate::state::State;
use crate::time::Time;

/// The fleet at one moment; load and liveness in it go on changing.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every known edge, in the order of their ids.
    pub edges: Box<[Arc<Edge>]>,
    /// Their loads, so that a draw has one pointer less to follow.
    pub(super) loads: Box<[Arc<Load>]>,
    /// What their places in the orders of streams depend on; empty when nobody asks for an order.
    pub(super) tickets: Box<[Ticket]>,
    /// Which of them is in which slot.
    pub(super) places: Box<[u32]>,
    pub(super) pools: Arc<Pools>,
    pub(super) learned: Arc<Learned>,
}

impl Snapshot {
    pub(super) fn new(edges: Box<[Arc<Edge>]>, settings: &FleetSettings, learned: Arc<Learned>) -> Self {
        let slots = edges.iter().map(|edge| edge.slot() as usize + 1).max().unwrap_or(0);
        let mut places = vec![u32::MAX; slots].into_boxed_slice();
        for (place, edge) in (0..).zip(&edges) {
            places[edge.slot() as usize] = place;
        }
        Self {
            loads: edges.iter().map(|edge| Arc::clone(&edge.load)).collect(),
            tickets: if settings.rules.needs_order() {
                edges.iter().map(|edge| edge.ticket()).collect()
            } else {
                Box::default()
            },
            pools: Arc::new(Pools::new(&edges, &settings.rules, &settings.zones)),
            places,
            edges,
            learned,
        }
    }

    /// The edge with this id.
    #[must_use]
    pub fn edge(&self, id: EdgeId) -> Option<&Arc<Edge>> {
        let place = self.edges.binary_search_by_key(&id, |edge| edge.id).ok()?;
        self.edges.get(place)
    }

    /// How many edges are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.edges.iter().filter(|edge| edge.load.state() == state).count()
    }

    /// What holds for all edges at this moment.
    #[must_use]
    pub fn forecast(&self, now: Time) -> Forecast {
        self.learned.forecast(now)
    }

    /// Where the edge in this slot is, if it is here.
    pub(super) fn place(&self, slot: u32) -> Option<u32> {
        self.places.get(slot as usize).copied().filter(|place| *place != u32::MAX)
    }

    /// Why nobody could be chosen.
    pub(super) fn refusal(&self, request: &SelectionQuery<'_>) -> Refusal {
        if self.edges.is_empty() { Refusal::NoEdge } else { self.pools.refusal(request) }
    }
}
