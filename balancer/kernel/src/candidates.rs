//! Who could serve a group, and in what condition each is: configured servers, edges whose agents report, and what checks
//! say of both.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use weir_fleet::{Edge, Exclusion, Forecast, Snapshot, State, Time};
use weir_protocol::EdgeId;
use weir_protocol::report::Reasons;

use super::group::{Group, Member};
use super::model::{Destination, Family};
use crate::settings::{EdgeFilter, Edges, ForwardingMethod};

/// The weight of an edge that reports a weight of 1 and has nothing to do.
pub const EDGE_WEIGHT: f32 = 100.0;

/// A server that could serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// How packets get there.
    pub method: ForwardingMethod,
    /// Its weight with nothing to do.
    pub base: u32,
    /// The edge that reports for it.
    pub edge: Option<EdgeId>,
    /// Whether it is to serve.
    pub condition: Condition,
}

/// Whether a server is to serve.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It is, and so much of what it can do is in use.
    Utilised(f32),
    /// It is, and nobody says how much it has to do.
    Unmeasured(Unmeasured),
    /// It takes no new clients for now.
    Paused,
    /// It is to be emptied, until then if there is a deadline.
    Drained(Option<Time>),
    /// It has not been checked yet.
    Awaited,
    /// It cannot serve.
    Failed(Failure),
}

/// Why nobody says how much a server has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmeasured {
    /// No agent reports for it.
    NoAgent,
    /// Its agent has fallen silent.
    Stale,
}

/// Why a server cannot serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A check says so, for this reason.
    Check(String),
    /// Its agent is silent, and nobody else speaks for it.
    Silent,
}

/// What checks say of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It is not checked.
    Unchecked,
    /// Nothing yet.
    Unknown,
    /// It serves.
    Up,
    /// It does not, for this reason.
    Down(String),
}

impl Candidate {
    /// Whether it has not been checked yet.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.condition == Condition::Awaited
    }
}

impl Condition {
    /// Whether it is to serve.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Utilised(_) | Self::Unmeasured(_))
    }

    /// A stable name for metrics and API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Utilised(_) => "measured",
            Self::Unmeasured(Unmeasured::NoAgent) => "unmeasured",
            Self::Unmeasured(Unmeasured::Stale) => "stale",
            Self::Paused => "paused",
            Self::Drained(_) => "drained",
            Self::Awaited => "awaited",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a person reads as the reason of a weight.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utilised(utilisation) => write!(f, "forecast utilisation {:.0} %", utilisation * 100.0),
            Self::Unmeasured(Unmeasured::NoAgent) => f.write_str("no agent reports for it"),
            Self::Unmeasured(Unmeasured::Stale) => f.write_str("its agent has fallen silent"),
            Self::Paused => f.write_str("it is paused"),
            Self::Drained(_) => f.write_str("it is drained"),
            Self::Awaited => f.write_str("it has not been checked yet"),
            Self::Failed(Failure::Check(reason)) => write!(f, "its check failed: {reason}"),
            Self::Failed(Failure::Silent) => f.write_str("its agent is silent"),
        }
    }
}

/// What agents say at a moment, for all groups.
#[derive(Debug)]
pub struct Heard<'a> {
    /// Edges by where packets get to them.
    edges: BTreeMap<IpAddr, &'a Edge>,
    forecast: Forecast,
    /// Whether any agent is heard at all.
    is_anybody: bool,
}

impl<'a> Heard<'a> {
    /// At `now`.
    #[must_use]
    pub fn new(fleet: &'a Snapshot, now: Time) -> Self {
        let forecast = fleet.forecast(now);
        let is_anybody = fleet.edges.iter().any(|edge| now - edge.load.reported_at() <= forecast.timeout());
        Self { edges: edges_by_address(fleet), forecast, is_anybody }
    }

    /// Those who could serve a group.
    pub fn candidates(&self, group: &Group, health: impl Fn(IpAddr) -> Health) -> BTreeMap<IpAddr, Candidate> {
        let member = |member: &Member| {
            let edge = self.edges.get(&member.address).copied();
            let condition = self.condition(health(member.address), edge, true);
            let edge = edge.map(|edge| edge.id);
            (member.address, Candidate { method: member.method, base: member.weight, edge, condition })
        };
        let mut candidates: BTreeMap<_, _> = group.servers.iter().map(member).collect();
        let Edges::Of(filter) = &group.edges else { return candidates };
        for (&address, &edge) in &self.edges {
            if is_wanted(group, filter, address, edge) && group.can_have(address) && !group.sorry.contains(&address) {
                candidates.entry(address).or_insert_with(|| Candidate {
                    method: group.method,
                    base: base(edge.weight()),
                    edge: Some(edge.id),
                    condition: self.condition(health(address), Some(edge), false),
                });
            }
        }
        if !self.is_anybody {
            keep_the_last(&mut candidates, group);
        }
        candidates
    }

    /// Where edges are that would be servers of a group, if servers could be there.
    #[must_use]
    pub fn misplaced(&self, group: &Group) -> BTreeSet<IpAddr> {
        let Edges::Of(filter) = &group.edges else { return BTreeSet::new() };
        let is_misplaced = |(address, edge): &(&IpAddr, &&Edge)| {
            is_wanted(group, filter, **address, edge) && !group.can_have(**address)
        };
        self.edges.iter().filter(is_misplaced).map(|(address, _)| *address).collect()
    }

    fn condition(&self, checked: Health, edge: Option<&Edge>, is_static: bool) -> Condition {
        let speaks_for_itself = is_static || checked == Health::Up || self.forecast.is_isolated();
        let said = edge.map_or(Condition::Unmeasured(Unmeasured::NoAgent), |edge| {
            said(edge, &self.forecast, checked == Health::Up, speaks_for_itself)
        });
        match checked {
            // Media servers that are told to end take no connections at first, and go on with those that they have.
            Health::Down(_) if edge.is_some_and(|edge| ordered(edge) == State::Draining) => said,
            Health::Down(reason) => Condition::Failed(Failure::Check(reason)),
            Health::Unknown => Condition::Awaited,
            Health::Up | Health::Unchecked => said,
        }
    }
}

/// No agent is heard at all, so that silence says little of the servers: where nobody else could serve they are kept.
fn keep_the_last(candidates: &mut BTreeMap<IpAddr, Candidate>, group: &Group) {
    for (address, candidate) in candidates {
        if candidate.condition == Condition::Failed(Failure::Silent)
            && group.sorry_server(Family::of(*address)).is_none()
        {
            candidate.condition = Condition::Unmeasured(Unmeasured::Stale);
        }
    }
}

/// What an edge says of itself, or the silence of its agent, if somebody else `speaks_for_itself`.
fn said(edge: &Edge, forecast: &Forecast, is_up: bool, speaks_for_itself: bool) -> Condition {
    match edge.load.expect(forecast) {
        Ok(expected) => Condition::Utilised(expected.present_utilisation() * edge.weight()),
        Err(Exclusion::Full) => Condition::Utilised(1.0),
        Err(Exclusion::Stale) => Condition::Unmeasured(Unmeasured::Stale),
        Err(_) => match ordered(edge) {
            State::Paused => Condition::Paused,
            State::Draining => Condition::Drained(edge.load.drain_deadline()),
            // Its agent has ended, often since the machine does. Once it is clear that it does not, checks are believed.
            State::Stopping if !is_up || forecast.now() - edge.load.reported_at() <= forecast.timeout() => {
                Condition::Drained(None)
            }
            _ if speaks_for_itself => Condition::Unmeasured(Unmeasured::Stale),
            _ => Condition::Failed(Failure::Silent),
        },
    }
}

/// What an edge was told to do when it was last heard: an order outlives the agent that obeys it.
fn ordered(edge: &Edge) -> State {
    match edge.load.reported_state() {
        State::Stopping if edge.load.reasons().contains(Reasons::OPERATOR) => State::Draining,
        said => said,
    }
}

fn is_wanted(group: &Group, filter: &EdgeFilter, address: IpAddr, edge: &Edge) -> bool {
    group.services.contains_key(&Family::of(address)) && edge.is_allowed() && passes(filter, edge)
}

/// Edges by where packets get to them: the address that they name, or if they name no address, the one that they report
/// from. Of two with the same, the one that is running counts.
fn edges_by_address(fleet: &Snapshot) -> BTreeMap<IpAddr, &Edge> {
    let mut edges: BTreeMap<IpAddr, &Edge> = BTreeMap::new();
    for edge in &fleet.edges {
        let place = edges.entry(address(edge)).or_insert(edge);
        if place.load.state() != State::Running && edge.load.state() == State::Running {
            *place = edge;
        }
    }
    edges
}

fn address(edge: &Edge) -> IpAddr {
    edge.redirect().trim_matches(['[', ']']).parse().unwrap_or(edge.origin().source)
}

fn passes(filter: &EdgeFilter, edge: &Edge) -> bool {
    filter.zone.as_deref().is_none_or(|zone| edge.zone() == Some(zone))
        && filter.protocol.is_none_or(|protocol| edge.serves(protocol))
}

/// The base weight of an edge that reports this one.
fn base(weight: f32) -> u32 {
    // Within the range, which is one of whole numbers.
    (weight * EDGE_WEIGHT).round().clamp(1.0, Destination::HEAVIEST as f32) as u32
}
