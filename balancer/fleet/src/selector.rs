//! Which edge gets this client: filter, affinity, policy, fallback.
//!
//! A choice reads a snapshot, allocates nothing and takes no lock. The edges of a pool have passed the filter when the
//! snapshot was made; what can change since then is looked at again for each edge that is drawn.

mod attempt;
mod rank;

use std::sync::Arc;

pub use rank::MOST_RANKED;

use crate::Snapshot;
use crate::affinity::Affinity;
use crate::edge::Edge;
use crate::protocol::Protocol;
use crate::query::SelectionQuery;
use crate::random::Random;
use crate::reason::{Reason, Refusal};
use crate::selector::attempt::Attempt;
use crate::settings::FleetSettings;
use crate::time::Time;

/// Where a client goes.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'s> {
    /// To this edge.
    Edge(&'s Arc<Edge>, Reason),
    /// To the configured place elsewhere.
    Overflow,
}

impl Choice<'_> {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Edge(_, reason) => *reason,
            Self::Overflow => Reason::Overflow,
        }
    }
}

/// Chooses edges for clients.
#[derive(Debug)]
pub struct Selector {
    settings: FleetSettings,
    affinity: Option<Affinity>,
    /// The protocols whose clients can go elsewhere when no edge takes them; any, for those whose protocol is not known.
    overflow: Box<[Protocol]>,
}

impl Selector {
    /// A selector on these settings; clients of the protocols in `overflow` have a place elsewhere.
    #[must_use]
    pub fn new(settings: FleetSettings, overflow: impl IntoIterator<Item = Protocol>) -> Self {
        let affinity = settings.rules.affinity.then(Affinity::new);
        Self { settings, affinity, overflow: overflow.into_iter().collect() }
    }

    /// The settings that it chooses on.
    #[must_use]
    pub fn settings(&self) -> &FleetSettings {
        &self.settings
    }

    /// Chooses, and counts the hand-out. `random` is any random number.
    ///
    /// # Errors
    /// [`Refusal`] when there is nobody; nothing is counted then.
    pub fn assign<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &SelectionQuery<'_>,
        now: Time,
        random: u64,
    ) -> Result<Choice<'s>, Refusal> {
        let choice = self.attempt(snapshot, request, now, random, true)?;
        if let Choice::Edge(edge, _) = choice {
            edge.load.assign(now);
            if let (Some(affinity), Some(stream)) = (&self.affinity, request.stream) {
                affinity.note(stream, edge.slot(), now);
            }
        }
        Ok(choice)
    }

    /// Chooses, and counts nothing.
    ///
    /// # Errors
    /// [`Refusal`] when there is nobody.
    pub fn preview<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &SelectionQuery<'_>,
        now: Time,
        random: u64,
    ) -> Result<Choice<'s>, Refusal> {
        self.attempt(snapshot, request, now, random, false)
    }

    fn attempt<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &SelectionQuery<'_>,
        now: Time,
        random: u64,
        is_meant: bool,
    ) -> Result<Choice<'s>, Refusal> {
        let forecast = snapshot.forecast(now);
        let mut attempt =
            Attempt { selector: self, snapshot, request, forecast, random: Random::new(random), is_meant };
        let found = match request.zone {
            None => attempt.in_pool(snapshot.pools.anywhere(request.protocol), None),
            Some(zone) => attempt.in_zone_of_client(zone),
        };
        if let Some((place, reason)) = found {
            return Ok(Choice::Edge(&snapshot.edges[place as usize], reason));
        }
        if request.protocol.map_or(!self.overflow.is_empty(), |protocol| self.overflow.contains(&protocol)) {
            return Ok(Choice::Overflow);
        }
        if let Some(place) = snapshot.pools.last_resort(request.protocol).and_then(|pool| attempt.beyond_limits(pool)) {
            return Ok(Choice::Edge(&snapshot.edges[place as usize], Reason::BestEffort));
        }
        Err(snapshot.refusal(request))
    }

    /// The edge in this slot reports the stream.
    pub(super) fn note_stream(&self, stream: u64, slot: u32, now: Time) {
        if let Some(affinity) = &self.affinity {
            affinity.note(stream, slot, now);
        }
    }

    /// Whether choices look at [`SelectionQuery::stream`].
    pub fn needs_streams(&self) -> bool {
        self.settings.rules.needs_order()
    }

    /// Whether [`Pool::utilisation`](crate::pool::Pool::utilisation) must be kept up.
    pub(super) fn needs_utilisation(&self) -> bool {
        self.affinity.is_some()
    }
}

#[cfg(test)]
mod tests;
