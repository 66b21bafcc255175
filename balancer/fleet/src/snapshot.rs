//! A snapshot: the fleet at one moment, for the threads that choose from it.

use std::sync::Arc;

use weir_protocol::EdgeId;

use crate::edge::Edge;
use crate::forecast::{Forecast, SharedEstimates};
use crate::load::Load;
use crate::pools::Pools;
use crate::query::SelectionQuery;
use crate::reason::Refusal;
use crate::settings::FleetSettings;
use crate::state::State;
use crate::stream_order::Ticket;
use crate::time::Time;

/// The fleet at one moment. The set of edges and their descriptions are fixed; load and liveness stay current, since
/// they are shared with the fleet.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every tracked edge, sorted by id. An edge's position is its index in this crate.
    pub edges: Box<[Arc<Edge>]>,
    /// The loads of the edges by index: a draw has one pointer less to follow.
    pub(super) loads: Box<[Arc<Load>]>,
    /// The tickets of the edges by index. Empty when no choice depends on the order of edges for a stream.
    pub(super) tickets: Box<[Ticket]>,
    /// The index of the edge in each slot.
    indices: Box<[u32]>,
    pub(super) pools: Arc<Pools>,
    estimates: Arc<SharedEstimates>,
}

/// Stands for a slot without an edge.
const NO_INDEX: u32 = u32::MAX;

impl Snapshot {
    pub(super) fn new(edges: Box<[Arc<Edge>]>, settings: &FleetSettings, estimates: Arc<SharedEstimates>) -> Self {
        let slots = edges.iter().map(|edge| edge.slot() as usize + 1).max().unwrap_or(0);
        let mut indices = vec![NO_INDEX; slots].into_boxed_slice();
        for (index, edge) in (0..).zip(&edges) {
            indices[edge.slot() as usize] = index;
        }
        Self {
            loads: edges.iter().map(|edge| Arc::clone(&edge.load)).collect(),
            tickets: if settings.rules.needs_stream_order() {
                edges.iter().map(|edge| edge.ticket()).collect()
            } else {
                Box::default()
            },
            pools: Arc::new(Pools::new(&edges, &settings.rules, &settings.zones)),
            indices,
            edges,
            estimates,
        }
    }

    /// Returns the edge with this id.
    #[must_use]
    pub fn edge(&self, id: EdgeId) -> Option<&Arc<Edge>> {
        let index = self.edges.binary_search_by_key(&id, |edge| edge.id).ok()?;
        self.edges.get(index)
    }

    /// Returns the number of edges in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.edges.iter().filter(|edge| edge.load.state() == state).count()
    }

    /// Returns the estimates for the whole fleet, for choices at `now`.
    #[must_use]
    pub fn forecast(&self, now: Time) -> Forecast {
        self.estimates.forecast(now)
    }

    /// Returns the index of the edge in this slot, if the snapshot has it.
    pub(super) fn index_of_slot(&self, slot: u32) -> Option<u32> {
        self.indices.get(slot as usize).copied().filter(|index| *index != NO_INDEX)
    }

    /// Returns why no edge could be chosen.
    pub(super) fn refusal(&self, query: &SelectionQuery<'_>) -> Refusal {
        if self.edges.is_empty() { Refusal::NoEdge } else { self.pools.refusal(query) }
    }
}
