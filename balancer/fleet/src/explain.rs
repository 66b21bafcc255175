//! Explanations for operators: the choice for a client, and the state of every edge.

use std::sync::Arc;

use crate::edge::Edge;
use crate::load::Expected;
use crate::query::SelectionQuery;
use crate::reason::{Exclusion, Reason, Refusal};
use crate::selector::{Choice, Selector};
use crate::snapshot::Snapshot;
use crate::time::Time;

/// A choice that was not counted, and a verdict on every edge.
#[derive(Debug)]
pub struct Explanation<'s> {
    /// The edge that the client would get. Choices are random between equals, and in a large fleet between a few edges
    /// that are drawn, so that the next choice may differ.
    pub choice: Result<Choice<'s>, Refusal>,
    /// A verdict on every edge, sorted by id.
    pub verdicts: Vec<Verdict<'s>>,
}

/// The verdict on one edge.
#[derive(Debug)]
pub struct Verdict<'s> {
    /// The edge.
    pub edge: &'s Arc<Edge>,
    /// The expected load with this client, or the reason why the edge is excluded.
    pub expected: Result<Expected, Exclusion>,
}

impl Selector {
    /// Returns what `query` would get at `now`, and a verdict on every edge. Counts nothing.
    #[must_use]
    pub fn explain<'s>(
        &self,
        snapshot: &'s Snapshot,
        query: &SelectionQuery<'_>,
        now: Time,
        random: u64,
    ) -> Explanation<'s> {
        let choice = self.preview(snapshot, query, now, random);
        let forecast = snapshot.forecast(now);
        // A client that spills is no longer bound to its zone.
        let spills = choice.as_ref().is_ok_and(|choice| choice.reason() == Reason::SpillZone);
        let verdict = |edge: &'s Arc<Edge>| {
            let serves_protocol = query.protocol.is_none_or(|protocol| edge.serves(protocol));
            let is_in_zone = spills || query.zone.is_none_or(|zone| edge.is_in(zone));
            let expected = match edge.load.expect(&forecast) {
                Ok(_) if !serves_protocol => Err(Exclusion::Protocol),
                Ok(_) if !is_in_zone => Err(Exclusion::Zone),
                expected => expected,
            };
            Verdict { edge, expected }
        };
        Explanation { choice, verdicts: snapshot.edges.iter().map(verdict).collect() }
    }
}
