//! The choice of an edge for a client: filter, affinity, policy, fallback.
//!
//! | file       | contents                                                           |
//! |------------|--------------------------------------------------------------------|
//! | this one   | the selector, and the fallbacks                                    |
//! | [`search`] | the search for one client: its zone, other zones, affinity, policy |
//! | [`draw`]   | how a policy takes an edge from a pool                             |
//! | [`best`]   | the edge of the lowest cost                                        |
//! | [`rank`]   | several edges for one client, in the order of preference           |
//!
//! A choice reads a snapshot, allocates nothing and takes no lock. The edges of a pool passed the filter when the
//! snapshot was made; what may have changed since is checked again for each edge that is drawn.

mod best;
mod draw;
mod rank;
mod search;

use std::sync::Arc;

pub use self::rank::MAX_RANKED;
use self::search::Search;
use crate::affinity::Affinity;
use crate::edge::Edge;
use crate::protocol::Protocol;
use crate::query::SelectionQuery;
use crate::random::Random;
use crate::reason::{Reason, Refusal};
use crate::settings::FleetSettings;
use crate::snapshot::Snapshot;
use crate::time::Time;

/// The destination that was chosen for a client.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'s> {
    /// This edge.
    Edge(&'s Arc<Edge>, Reason),
    /// The configured overflow target.
    Overflow,
}

impl Choice<'_> {
    /// Returns the reason of the choice.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Edge(_, reason) => *reason,
            Self::Overflow => Reason::Overflow,
        }
    }
}

/// Chooses edges for clients. Shared by all threads.
#[derive(Debug)]
pub struct Selector {
    settings: FleetSettings,
    affinity: Option<Affinity>,
    /// The protocols that have an overflow target. If any has, so have clients of unknown protocol.
    overflow: Box<[Protocol]>,
}

impl Selector {
    /// Returns a selector with these settings. The protocols in `overflow` have an overflow target.
    #[must_use]
    pub fn new(settings: FleetSettings, overflow: impl IntoIterator<Item = Protocol>) -> Self {
        let affinity = settings.rules.affinity.then(Affinity::new);
        Self { settings, affinity, overflow: overflow.into_iter().collect() }
    }

    /// Returns the settings of the selector.
    #[must_use]
    pub fn settings(&self) -> &FleetSettings {
        &self.settings
    }

    /// Chooses an edge and counts the assignment. `random` is any random number.
    ///
    /// # Errors
    /// [`Refusal`] when there is no edge for the client. Nothing is counted then.
    pub fn assign<'s>(
        &self,
        snapshot: &'s Snapshot,
        query: &SelectionQuery<'_>,
        now: Time,
        random: u64,
    ) -> Result<Choice<'s>, Refusal> {
        let choice = self.choose(snapshot, query, now, random, true)?;
        if let Choice::Edge(edge, _) = choice {
            edge.load.assign(now);
            if let (Some(affinity), Some(stream)) = (&self.affinity, query.stream) {
                affinity.record(stream, edge.slot(), now);
            }
        }
        Ok(choice)
    }

    /// Chooses an edge and counts nothing.
    ///
    /// # Errors
    /// [`Refusal`] when there is no edge for the client.
    pub fn preview<'s>(
        &self,
        snapshot: &'s Snapshot,
        query: &SelectionQuery<'_>,
        now: Time,
        random: u64,
    ) -> Result<Choice<'s>, Refusal> {
        self.choose(snapshot, query, now, random, false)
    }

    fn choose<'s>(
        &self,
        snapshot: &'s Snapshot,
        query: &SelectionQuery<'_>,
        now: Time,
        random: u64,
        counts: bool,
    ) -> Result<Choice<'s>, Refusal> {
        let forecast = snapshot.forecast(now);
        let mut search = Search { selector: self, snapshot, query, forecast, random: Random::new(random), counts };
        let found = match query.zone {
            None => search.search_pool(snapshot.pools.any_zone(query.protocol), None),
            Some(zone) => search.search_zones(zone),
        };
        if let Some((index, reason)) = found {
            return Ok(Choice::Edge(&snapshot.edges[index as usize], reason));
        }
        if query.protocol.map_or(!self.overflow.is_empty(), |protocol| self.overflow.contains(&protocol)) {
            return Ok(Choice::Overflow);
        }
        let last_resort = snapshot.pools.last_resort(query.protocol);
        if let Some(index) = last_resort.and_then(|pool| search.search_beyond_limits(pool)) {
            return Ok(Choice::Edge(&snapshot.edges[index as usize], Reason::BestEffort));
        }
        Err(snapshot.refusal(query))
    }

    /// Records that the edge in this slot reports the stream.
    pub(super) fn record_stream(&self, stream: u64, slot: u32, now: Time) {
        if let Some(affinity) = &self.affinity {
            affinity.record(stream, slot, now);
        }
    }

    /// Returns whether choices depend on [`SelectionQuery::stream`].
    pub fn needs_streams(&self) -> bool {
        self.settings.rules.needs_stream_order()
    }

    /// Returns whether choices depend on [`Pool::utilisation`](crate::pool::Pool::utilisation).
    pub(super) fn needs_utilisation(&self) -> bool {
        self.affinity.is_some()
    }
}

#[cfg(test)]
mod tests;
