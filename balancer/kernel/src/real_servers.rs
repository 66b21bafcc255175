//! The real servers of a service and their conditions: configured servers and edges, judged by agents' reports and
//! health checks.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use weir_fleet::{Edge, Exclusion, Forecast, Snapshot, State, Time};
use weir_protocol::EdgeId;
use weir_protocol::report::Reasons;

use super::model::{Destination, Family};
use super::settings::{EdgeFilter, Edges, ForwardingMethod, StaticServer, VirtualService};

/// Base weight of an edge that reports a weight of 1.
pub const EDGE_WEIGHT: f32 = 100.0;

/// A real server.
#[derive(Debug, Clone, PartialEq)]
pub struct RealServer {
    /// Forwarding method.
    pub method: ForwardingMethod,
    /// Weight without load.
    pub base: u32,
    /// The edge that reports for the server, if any.
    pub edge: Option<EdgeId>,
    /// Condition of the server.
    pub condition: Condition,
}

/// Condition of a real server.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It is up, with this forecast utilisation.
    Utilised(f32),
    /// It is up, and its load is unknown.
    Unmeasured(Unmeasured),
    /// It is paused: it keeps its connections and gets no new ones.
    Paused,
    /// It is draining, until the deadline if there is one.
    Draining(Option<Time>),
    /// Its first health check is still outstanding.
    Pending,
    /// It is down.
    Failed(Failure),
}

/// Why the load of a server is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmeasured {
    /// No agent reports for the server.
    NoAgent,
    /// The agent has stopped reporting.
    Stale,
}

/// Why a server is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Its health check failed, for this reason.
    Check(String),
    /// Its agent has stopped reporting, and there is no other evidence that it is up.
    Silent,
}

/// Result of the health checks of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The server is not checked.
    Unchecked,
    /// The first verdict is still outstanding.
    Unknown,
    /// The server is up.
    Up,
    /// The server is down, for this reason.
    Down(String),
}

impl RealServer {
    /// Returns whether its first health check is still outstanding.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.condition == Condition::Pending
    }
}

impl Condition {
    /// Returns whether the server is up and gets new connections.
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
            Self::Draining(_) => "draining",
            Self::Pending => "pending",
            Self::Failed(_) => "failed",
        }
    }
}

/// The reason of a server's weight, for people.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utilised(utilisation) => write!(f, "forecast utilisation {:.0} %", utilisation * 100.0),
            Self::Unmeasured(Unmeasured::NoAgent) => f.write_str("no agent"),
            Self::Unmeasured(Unmeasured::Stale) => f.write_str("agent stopped reporting"),
            Self::Paused => f.write_str("paused"),
            Self::Draining(_) => f.write_str("draining"),
            Self::Pending => f.write_str("not checked yet"),
            Self::Failed(Failure::Check(reason)) => write!(f, "health check failed: {reason}"),
            Self::Failed(Failure::Silent) => f.write_str("agent silent"),
        }
    }
}

/// The reports of all agents at a moment.
#[derive(Debug)]
pub struct AgentReports<'a> {
    /// The edges by their server address.
    edges: BTreeMap<IpAddr, &'a Edge>,
    forecast: Forecast,
    /// Whether any agent has reported recently.
    is_any_recent: bool,
}

impl<'a> AgentReports<'a> {
    /// The reports in `fleet`, judged at `now`.
    #[must_use]
    pub fn new(fleet: &'a Snapshot, now: Time) -> Self {
        let forecast = fleet.forecast(now);
        let is_any_recent = fleet.edges.iter().any(|edge| now - edge.load.reported_at() <= forecast.timeout());
        Self { edges: edges_by_address(fleet), forecast, is_any_recent }
    }

    /// The real servers of a service, with their health from `health`.
    pub fn servers(&self, service: &VirtualService, health: impl Fn(IpAddr) -> Health) -> BTreeMap<IpAddr, RealServer> {
        let configured = |server: &StaticServer| {
            let edge = self.edges.get(&server.address).copied();
            let condition = self.condition(health(server.address), edge, true);
            let edge = edge.map(|edge| edge.id);
            (server.address, RealServer { method: server.method, base: server.weight, edge, condition })
        };
        let mut servers: BTreeMap<_, _> = service.servers.iter().map(configured).collect();
        let Edges::Of(filter) = &service.edges else { return servers };
        for (&address, &edge) in &self.edges {
            let is_server = is_selected(service, filter, address, edge) && service.can_have(address);
            if is_server && !service.sorry.contains(&address) {
                servers.entry(address).or_insert_with(|| RealServer {
                    method: service.method,
                    base: base(edge.weight()),
                    edge: Some(edge.id),
                    condition: self.condition(health(address), Some(edge), false),
                });
            }
        }
        if !self.is_any_recent {
            keep_silent_servers(&mut servers, service);
        }
        servers
    }

    /// Addresses of edges that the service selects, but where it cannot have a real server.
    #[must_use]
    pub fn unusable_edges(&self, service: &VirtualService) -> BTreeSet<IpAddr> {
        let Edges::Of(filter) = &service.edges else { return BTreeSet::new() };
        let is_unusable = |(address, edge): &(&IpAddr, &&Edge)| {
            is_selected(service, filter, **address, edge) && !service.can_have(**address)
        };
        self.edges.iter().filter(is_unusable).map(|(address, _)| *address).collect()
    }

    fn condition(&self, health: Health, edge: Option<&Edge>, is_static: bool) -> Condition {
        // Evidence besides the agent's reports. While most agents are silent at once, the network is suspected instead.
        let has_other_evidence = is_static || health == Health::Up || self.forecast.is_isolated();
        let reported = edge.map_or(Condition::Unmeasured(Unmeasured::NoAgent), |edge| {
            reported(edge, &self.forecast, health == Health::Up, has_other_evidence)
        });
        match health {
            // A media server that shuts down first refuses new connections, and continues with those that it has.
            Health::Down(_) if edge.is_some_and(|edge| commanded(edge) == State::Draining) => reported,
            Health::Down(reason) => Condition::Failed(Failure::Check(reason)),
            Health::Unknown => Condition::Pending,
            Health::Up | Health::Unchecked => reported,
        }
    }
}

/// Without any recent report, silence says little about the servers: where there is no sorry server, they are kept.
fn keep_silent_servers(servers: &mut BTreeMap<IpAddr, RealServer>, service: &VirtualService) {
    for (address, server) in servers {
        let is_silent = server.condition == Condition::Failed(Failure::Silent);
        if is_silent && service.sorry_server(Family::of(*address)).is_none() {
            server.condition = Condition::Unmeasured(Unmeasured::Stale);
        }
    }
}

/// The condition that an edge reports, or that follows from its agent's silence. `is_up` is whether a health check
/// succeeded, `has_other_evidence` whether the server may be up although its agent is silent.
fn reported(edge: &Edge, forecast: &Forecast, is_up: bool, has_other_evidence: bool) -> Condition {
    match edge.load.expect(forecast) {
        Ok(expected) => Condition::Utilised(expected.present_utilisation() * edge.weight()),
        Err(Exclusion::Full) => Condition::Utilised(1.0),
        Err(Exclusion::Stale) => Condition::Unmeasured(Unmeasured::Stale),
        Err(_) => match commanded(edge) {
            State::Paused => Condition::Paused,
            State::Draining => Condition::Draining(edge.load.drain_deadline()),
            // The agent has stopped, often because its machine shuts down. After the time-out, a health check that
            // still succeeds shows that the machine did not.
            State::Stopping if !is_up || forecast.now() - edge.load.reported_at() <= forecast.timeout() => {
                Condition::Draining(None)
            }
            _ if has_other_evidence => Condition::Unmeasured(Unmeasured::Stale),
            _ => Condition::Failed(Failure::Silent),
        },
    }
}

/// The state that the edge last reported, with an operator's command taking precedence over the agent's end: a command
/// outlives the agent that confirmed it.
fn commanded(edge: &Edge) -> State {
    match edge.load.reported_state() {
        State::Stopping if edge.load.reasons().contains(Reasons::OPERATOR) => State::Draining,
        state => state,
    }
}

fn is_selected(service: &VirtualService, filter: &EdgeFilter, address: IpAddr, edge: &Edge) -> bool {
    service.families.contains_key(&Family::of(address)) && edge.is_allowed() && matches_filter(filter, edge)
}

/// The edges by server address: the redirect address, or if that is a host name, the source address of the reports. Of
/// two edges with the same address, a running one is used.
fn edges_by_address(fleet: &Snapshot) -> BTreeMap<IpAddr, &Edge> {
    let mut edges: BTreeMap<IpAddr, &Edge> = BTreeMap::new();
    for edge in &fleet.edges {
        let entry = edges.entry(address(edge)).or_insert(edge);
        if entry.load.state() != State::Running && edge.load.state() == State::Running {
            *entry = edge;
        }
    }
    edges
}

fn address(edge: &Edge) -> IpAddr {
    edge.redirect().trim_matches(['[', ']']).parse().unwrap_or(edge.origin().source)
}

fn matches_filter(filter: &EdgeFilter, edge: &Edge) -> bool {
    filter.zone.as_deref().is_none_or(|zone| edge.zone() == Some(zone))
        && filter.protocol.is_none_or(|protocol| edge.serves(protocol))
}

/// Base weight of an edge that reports `weight`.
fn base(weight: f32) -> u32 {
    // The cast is exact: the value is a whole number within the range.
    (weight * EDGE_WEIGHT).round().clamp(1.0, Destination::MAX_WEIGHT as f32) as u32
}
