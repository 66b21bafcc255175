//! The desired state of a service in the kernel, from its configuration and the conditions of its servers.
//!
//! * A failed server is deleted. With weight 0, the kernel would keep sending it UDP and persistent clients.
//! * A draining server has weight 0 until it has no connections, or until its deadline. Then it is deleted. The same
//!   holds for a server that is no longer configured, or whose edge has expired.
//! * If fewer servers than the quorum are up, the sorry server takes over: it is added, and the servers that are up get
//!   weight 0, so that they keep their clients.
//! * At the start, servers that the kernel has are kept until their state is known.
//! * IPv4 and IPv6 addresses are two services in the kernel, each with its own quorum and sorry server.
//!
//! Pure: time, real servers and the kernel's state are arguments.

mod drains;
mod quorum;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use weir_fleet::Time;

use super::kernel::Snapshot;
use super::model::{Destination, Family, Forwarding, Server, ServiceEntry, Table};
use super::real_servers::{Condition, RealServer, Unmeasured};
use super::settings::{Edges, StaticServer, VirtualService};
use super::weights::{Load, ServerWeight, WeightInput, Weights};
use drains::Drains;
pub use quorum::FamilyStatus;
use quorum::{FamilyHealth, QuorumState};

/// Decides the desired state of one service over time.
#[derive(Debug)]
pub struct ServicePolicy {
    service: VirtualService,
    weights: Weights,
    drains: Drains,
    quorum: QuorumState,
    /// When the first decision was made.
    started_at: Option<Time>,
    /// Whether any server's agent has reported since the start.
    has_reports: bool,
    /// Whether first health checks were still outstanding at every decision so far.
    was_pending: bool,
}

/// Input of a decision.
#[derive(Debug)]
pub struct DecisionInput<'a> {
    /// The current time.
    pub now: Time,
    /// The real servers and their conditions.
    pub servers: &'a BTreeMap<IpAddr, RealServer>,
    /// State of the kernel.
    pub kernel: &'a Snapshot,
    /// Whether every edge that reports has had time to do so since the start. Until then, servers of unknown edges are
    /// kept.
    pub is_settled: bool,
}

/// The desired state of a service, and its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceDecision {
    /// The service in each address family.
    pub table: Table,
    /// Its servers.
    pub servers: BTreeMap<IpAddr, ServerDecision>,
    /// Its status in each address family of its endpoints.
    pub families: BTreeMap<Family, FamilyStatus>,
}

/// The desired state of a server, and its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerDecision {
    /// Weight in the kernel; `None` if the server is deleted.
    pub weight: Option<u32>,
    /// Weight without load.
    pub base: u32,
    /// Weight by load, while the server is up.
    pub weighed: Option<ServerWeight>,
    /// Condition of the server; `None` for an orphaned one, which the kernel has, but which is neither configured nor
    /// an edge.
    pub condition: Option<Condition>,
}

impl ServicePolicy {
    /// Creates a policy for a service. Servers that join others ramp up over `ramp`.
    #[must_use]
    pub fn new(service: VirtualService, ramp: Duration) -> Self {
        // While ramping up, a server would have different weights on the two directors.
        let ramp = if service.follows_load { ramp } else { Duration::ZERO };
        let weights = Weights::new(ramp).round_robin(service.is_round_robin());
        Self {
            service,
            weights,
            drains: Drains::default(),
            quorum: QuorumState::default(),
            started_at: None,
            has_reports: false,
            was_pending: true,
        }
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &VirtualService {
        &self.service
    }

    /// Decides the desired state.
    pub fn decide(&mut self, input: &DecisionInput<'_>) -> ServiceDecision {
        let listed = self.listed_servers(input.kernel);
        if self.started_at.is_none() {
            listed.iter().for_each(|(address, server)| self.weights.adopt(*address, server.destination.weight));
        }
        self.started_at.get_or_insert(input.now);
        self.has_reports |= input.servers.values().any(|server| server.edge.is_some());
        let mut servers = BTreeMap::new();
        let mut inputs = BTreeMap::new();
        for (address, server) in input.servers {
            if let Some(load) = self.load(*address, server, listed.get(address), input) {
                inputs.insert(*address, WeightInput { base: server.base, load });
            }
        }
        self.drains.retain(|address| match input.servers.get(address) {
            Some(server) => matches!(server.condition, Condition::Draining(_) | Condition::Paused),
            None => {
                let was_sorry = self.service.sorry.contains(address) && self.quorum.was_sorry_active(*address);
                listed.contains_key(address) && !was_sorry
            }
        });
        // Servers of the first decisions are not new, in whatever order their first checks succeed.
        let weighed = self.weights.step(&inputs, !input.is_settled || self.was_pending, input.now);
        self.was_pending &= self.awaits_checks(input) && input.servers.values().any(RealServer::is_pending);
        let health: Vec<_> = self
            .service
            .families
            .keys()
            .map(|family| (*family, self.health(*family, input, &listed, &inputs)))
            .collect();
        let evaluate = |(family, health)| (family, self.quorum.evaluate(&self.service, family, health));
        let families: BTreeMap<Family, FamilyStatus> = health.into_iter().map(evaluate).collect();
        let is_sorry_active = |address| families.get(&Family::of(address)).is_some_and(|status| status.is_sorry_active);
        let mut table = self.empty_table();
        for (address, server) in input.servers {
            let weighed = weighed.get(address).copied();
            let weight = weighed.map(|weighed| if is_sorry_active(*address) { 0 } else { weighed.weight });
            if let Some(weight) = weight {
                self.put(&mut table, *address, server.method.to(*address), weight);
            }
            let condition = Some(server.condition.clone());
            servers.insert(*address, ServerDecision { weight, base: server.base, weighed, condition });
        }
        for (address, server) in &listed {
            let is_sorry = self.service.sorry.contains(address);
            if input.servers.contains_key(address) || (is_sorry && is_sorry_active(*address)) {
                continue;
            }
            let weight = if self.awaits_edges(input) && !is_sorry {
                Some(server.destination.weight)
            } else {
                let deadline = self.drains.deadline(*address, input.now, self.service.drain);
                server.keeps_draining(deadline, input.now).then_some(0)
            };
            if let Some(weight) = weight {
                self.put(&mut table, *address, server.destination.forwarding, weight);
            }
            servers.insert(*address, ServerDecision { weight, base: 0, weighed: None, condition: None });
        }
        for (family, status) in &families {
            let sorry = self.service.sorry_server(*family).filter(|_| status.is_sorry_active);
            if let Some(entry) = table.get_mut(&self.service.key(*family)) {
                entry.destinations.extend(sorry);
            }
        }
        ServiceDecision { table, servers, families }
    }

    /// Returns whether there may be edges that have not reported yet. As long as no edge has reported since the start,
    /// this balancer knows less than its predecessor: its keys may be wrong, or the network may be down.
    fn awaits_edges(&self, input: &DecisionInput<'_>) -> bool {
        self.service.edges != Edges::None && !(input.is_settled && self.has_reports)
    }

    /// The load by which a server is weighed; `None` if it must not be in the kernel.
    fn load(
        &mut self,
        address: IpAddr,
        server: &RealServer,
        listed: Option<&ListedServer>,
        input: &DecisionInput<'_>,
    ) -> Option<Load> {
        let now = input.now;
        match &server.condition {
            Condition::Utilised(utilisation) if self.service.follows_load => Some(Load::Utilised(*utilisation)),
            // Its agent may not have reported yet.
            Condition::Unmeasured(Unmeasured::NoAgent) if !input.is_settled => Some(Load::Pending),
            Condition::Utilised(_) | Condition::Unmeasured(_) => Some(Load::Unknown),
            Condition::Paused => {
                let has_expired = self.drains.has_expired(address, now);
                listed.filter(|_| !has_expired).map(|_| Load::Draining)
            }
            Condition::Failed(_) => None,
            Condition::Pending => listed.map(|listed| match listed.destination.weight {
                0 => Load::Draining,
                _ => Load::Pending,
            }),
            Condition::Draining(deadline) => {
                let deadline = match deadline {
                    Some(deadline) => self.drains.set_deadline(address, *deadline),
                    None => self.drains.deadline(address, now, self.service.drain),
                };
                listed.is_some_and(|listed| listed.keeps_draining(deadline, now)).then_some(Load::Draining)
            }
        }
    }

    /// Health of the servers of this family.
    fn health(
        &self,
        family: Family,
        input: &DecisionInput<'_>,
        listed: &BTreeMap<IpAddr, ListedServer>,
        inputs: &BTreeMap<IpAddr, WeightInput>,
    ) -> FamilyHealth {
        let of_family = || input.servers.iter().filter(|(address, _)| Family::of(**address) == family);
        // A server that the kernel had with weight counts as up until a check says otherwise.
        let is_presumed_up = |address: &IpAddr| inputs.get(address).is_some_and(|input| input.load != Load::Draining);
        let is_up = |(address, server): &(&IpAddr, &RealServer)| {
            server.condition.is_up() || (server.is_pending() && is_presumed_up(address))
        };
        let live = || listed.iter().filter(|(address, server)| Family::of(**address) == family && server.is_live());
        let is_sorry = |address: &IpAddr| self.service.sorry.contains(address);
        let has_unknown_edges =
            self.awaits_edges(input) && (!input.is_settled || live().any(|(address, _)| !is_sorry(address)));
        let has_pending_checks = self.awaits_checks(input) && of_family().any(|(_, server)| server.is_pending());
        FamilyHealth {
            up: of_family().filter(is_up).count(),
            all: of_family().count(),
            is_known: !(has_unknown_edges || has_pending_checks),
            is_sorry_live: live().any(|(address, _)| is_sorry(address)),
        }
    }

    /// Returns whether first health checks may still be outstanding. A check that can never run is not waited for.
    fn awaits_checks(&self, input: &DecisionInput<'_>) -> bool {
        self.started_at.is_none_or(|started_at| input.now - started_at <= self.service.check_grace())
    }

    /// The servers that the kernel has for the service, of both families.
    fn listed_servers(&self, kernel: &Snapshot) -> BTreeMap<IpAddr, ListedServer> {
        let mut servers = BTreeMap::new();
        for listed in self.service.keys().filter_map(|key| kernel.destinations.get(&key)).flatten() {
            let connections = u64::from(listed.active) + u64::from(listed.inactive);
            // A server with a port is not Weir's. The plan deletes it, since the desired table does not contain it.
            if listed.server.port == 0 {
                servers.insert(listed.server.address, ListedServer { destination: listed.destination, connections });
            }
        }
        servers
    }

    fn empty_table(&self) -> Table {
        let entry =
            |(family, service): (&Family, &_)| (self.service.key(*family), ServiceEntry::new(Clone::clone(service)));
        self.service.families.iter().map(entry).collect()
    }

    fn put(&self, table: &mut Table, address: IpAddr, forwarding: Forwarding, weight: u32) {
        if let Some(entry) = table.get_mut(&self.service.key(Family::of(address))) {
            entry.destinations.insert(Server::at(address), self.service.destination(forwarding, weight));
        }
    }
}

/// A server that the kernel has.
#[derive(Debug, Clone, Copy)]
struct ListedServer {
    destination: Destination,
    /// Number of connections in any state.
    connections: u64,
}

impl ListedServer {
    /// Returns whether the server gets new connections.
    fn is_live(&self) -> bool {
        self.destination.is_live()
    }

    /// Returns whether a draining server is kept for now. While it still has weight, connections may arrive that have
    /// not been counted yet.
    fn keeps_draining(&self, deadline: Time, now: Time) -> bool {
        now < deadline && (self.connections > 0 || self.destination.weight > 0)
    }
}

/// The table of a service on an empty kernel with all configured servers up, for printing.
#[must_use]
pub fn initial_table(service: &VirtualService) -> Table {
    let up = |server: &StaticServer| {
        let condition = Condition::Unmeasured(Unmeasured::NoAgent);
        (server.address, RealServer { method: server.method, base: server.weight, edge: None, condition })
    };
    let servers = service.servers.iter().map(up).collect();
    let kernel = Snapshot::default();
    let input = DecisionInput { now: Time::ORIGIN, servers: &servers, kernel: &kernel, is_settled: false };
    ServicePolicy::new(service.clone(), Duration::ZERO).decide(&input).table
}
