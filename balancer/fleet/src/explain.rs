//! What a client would get now, and what speaks against the other edges.

use std::sync::Arc;

use crate::Snapshot;
use crate::edge::Edge;
use crate::load::Expected;
use crate::query::SelectionQuery;
use crate::reason::{Exclusion, Reason, Refusal};
use crate::selector::{Choice, Selector};
use crate::time::Time;

/// A choice that nobody is handed out by.
#[derive(Debug)]
pub struct Explanation<'s> {
    /// What the client would get. Choices are random between equals, and on large fleets between few that are drawn: the
    /// next one may be another.
    pub choice: Result<Choice<'s>, Refusal>,
    /// Every edge, in the order of their ids.
    pub verdicts: Vec<Verdict<'s>>,
}

/// What is thought of one edge.
#[derive(Debug)]
pub struct Verdict<'s> {
    /// The edge.
    pub edge: &'s Arc<Edge>,
    /// What it is expected to carry with this client, or why it cannot get it.
    pub expected: Result<Expected, Exclusion>,
}

impl Selector {
    /// What `request` would get at `now`, without handing out.
    #[must_use]
    pub fn explain<'s>(
        &self,
        snapshot: &'s Snapshot,
        request: &SelectionQuery<'_>,
        now: Time,
        random: u64,
    ) -> Explanation<'s> {
        let choice = self.preview(snapshot, request, now, random);
        let forecast = snapshot.forecast(now);
        // A client that spills is no longer bound to its zone.
        let spills = choice.as_ref().is_ok_and(|choice| choice.reason() == Reason::SpillZone);
        let verdict = |edge: &'s Arc<Edge>| {
            let speaks = request.protocol.is_none_or(|protocol| edge.serves(protocol));
            let is_near = spills || request.zone.is_none_or(|zone| edge.is_in(zone));
            let expected = match edge.load.expect(&forecast) {
                Ok(_) if !speaks => Err(Exclusion::Protocol),
                Ok(_) if !is_near => Err(Exclusion::Zone),
                expected => expected,
            };
            Verdict { edge, expected }
        };
        Explanation { choice, verdicts: snapshot.edges.iter().map(verdict).collect() }
    }
}
