//! What shall be in the kernel: from the configuration, and from the condition that each server is in, to
//! [`plan::Desired`](super::plan::Desired).
//!
//! * A server that fails is deleted: with a weight of 0 it would go on swallowing UDP and clients that stay with it.
//! * A server that is drained has weight 0 until it has no connections, or until the deadline; then it is deleted. So is one
//!   that is no longer configured, or that nobody knows.
//! * When fewer servers than the quorum are up, the sorry server takes over: it is added, and those that are up get weight 0,
//!   so that they keep their clients.
//! * What is in the kernel at the start is gone on with, until it is known how things are.
//! * Addresses of IPv4 and of IPv6 are two services to the kernel: each has its quorum and its sorry server.
//!
//! Pure: time, fleet, verdicts and what the kernel says are arguments.

mod leaving;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::candidates::{Candidate, Condition, Unmeasured};
use super::group::Group;
use super::kernel::Snapshot;
use super::model::{Destination, Family, Forwarding, Server, Table, VirtualService};
use super::weights::{Input, Measure, Weighed, Weights};
use crate::settings::Edges;
use leaving::Leaving;
pub use standing::Standing;
use weir_fleet::Time;

use standing::{Standings, Strength};

/// Decides over time what shall be in the kernel for one group.
#[derive(Debug)]
pub struct Decider {
    group: Group,
    weights: Weights,
    leaving: Leaving,
    standings: Standings,
    /// When the first decision was made.
    started_at: Option<Time>,
    /// Whether any agent of a server was heard since.
    was_heard: bool,
    /// Whether the last decision was one of the first, of which some server had not been checked at all yet.
    was_awaiting: bool,
}

/// What is known at a moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The moment.
    pub now: Time,
    /// Who could serve.
    pub candidates: &'a BTreeMap<IpAddr, Candidate>,
    /// What there is in the kernel.
    pub kernel: &'a Snapshot,
    /// Whether every edge that reports has been heard by now; before that, servers that nobody knows stay as they are.
    pub is_settled: bool,
}

/// What shall be, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The group's services.
    pub table: Table,
    /// Its servers.
    pub servers: BTreeMap<IpAddr, Decided>,
    /// How it stands in each family that the group has addresses of.
    pub standings: BTreeMap<Family, Standing>,
}

/// One server, and why it is as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Whether it is in the kernel, and with what weight.
    pub weight: Option<u32>,
    /// The weight that load is measured against.
    pub base: u32,
    /// Its weight by load, while it is up.
    pub weighed: Option<Weighed>,
    /// Its condition; `None` when nobody knows it any more.
    pub condition: Option<Condition>,
}

impl Decider {
    /// Decides for this group; servers that join others take `ramp` to their full share.
    #[must_use]
    pub fn new(group: Group, ramp: Duration) -> Self {
        // One that ramps up has another weight on each of two directors.
        let ramp = if group.follows_load { ramp } else { Duration::ZERO };
        let weights = Weights::new(ramp).in_turns(group.takes_turns());
        Self {
            group,
            weights,
            leaving: Leaving::default(),
            standings: Standings::default(),
            started_at: None,
            was_heard: false,
            was_awaiting: true,
        }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Decides.
    pub fn decide(&mut self, view: &View<'_>) -> Decision {
        let present = self.present(view.kernel);
        if self.started_at.is_none() {
            present.iter().for_each(|(address, there)| self.weights.adopt(*address, there.destination.weight));
        }
        self.started_at.get_or_insert(view.now);
        self.was_heard |= view.candidates.values().any(|candidate| candidate.edge.is_some());
        let mut servers = BTreeMap::new();
        let mut inputs = BTreeMap::new();
        for (address, candidate) in view.candidates {
            if let Some(measure) = self.measure(*address, candidate, present.get(address), view) {
                inputs.insert(*address, Input { base: candidate.base, measure });
            }
        }
        self.leaving.forget(|address| match view.candidates.get(address) {
            Some(candidate) => matches!(candidate.condition, Condition::Drained(_) | Condition::Paused),
            None => {
                let is_sorry = self.group.sorry.contains(address) && self.standings.was_sorry(*address);
                present.contains_key(address) && !is_sorry
            }
        });
        // Of servers that are there from the start none is new, whichever is checked first.
        let weighed = self.weights.step(&inputs, !view.is_settled || self.was_awaiting, view.now);
        self.was_awaiting &= self.awaits_checks(view) && view.candidates.values().any(Candidate::is_awaited);
        let strengths =
            self.group.services.keys().map(|family| (*family, self.strength(*family, view, &present, &inputs)));
        let strengths: Vec<_> = strengths.collect();
        let judge = |(family, strength)| (family, self.standings.judge(&self.group, family, strength));
        let standings: BTreeMap<Family, Standing> = strengths.into_iter().map(judge).collect();
        let is_sorry = |address| standings.get(&Family::of(address)).is_some_and(|standing| standing.is_sorry);
        let mut table = self.empty_table();
        for (address, candidate) in view.candidates {
            let weighed = weighed.get(address).copied();
            let weight = weighed.map(|weighed| if is_sorry(*address) { 0 } else { weighed.weight });
            if let Some(weight) = weight {
                self.put(&mut table, *address, candidate.method.to(*address), weight);
            }
            let condition = Some(candidate.condition.clone());
            servers.insert(*address, Decided { weight, base: candidate.base, weighed, condition });
        }
        for (address, there) in &present {
            let says_sorry = self.group.sorry.contains(address);
            if view.candidates.contains_key(address) || (says_sorry && is_sorry(*address)) {
                continue;
            }
            let weight = if self.awaits_edges(view) && !says_sorry {
                Some(there.destination.weight)
            } else {
                let until = self.leaving.until(*address, view.now, self.group.drain);
                there.is_to_stay(until, view.now).then_some(0)
            };
            if let Some(weight) = weight {
                self.put(&mut table, *address, there.destination.forwarding, weight);
            }
            servers.insert(*address, Decided { weight, base: 0, weighed: None, condition: None });
        }
        for (family, standing) in &standings {
            let sorry = self.group.sorry_server(*family).filter(|_| standing.is_sorry);
            if let Some(service) = table.get_mut(&self.group.key(*family)) {
                service.destinations.extend(sorry);
            }
        }
        Decision { table, servers, standings }
    }

    /// Whether edges may be there that have not been heard. A balancer that has heard none since its start does not know
    /// better than the one before: its keys may be wrong, or what is between.
    fn awaits_edges(&self, view: &View<'_>) -> bool {
        self.group.edges != Edges::None && !(view.is_settled && self.was_heard)
    }

    /// How a candidate is to be weighed; `None` when it is not to be in the kernel.
    fn measure(
        &mut self,
        address: IpAddr,
        candidate: &Candidate,
        there: Option<&Present>,
        view: &View<'_>,
    ) -> Option<Measure> {
        let now = view.now;
        match &candidate.condition {
            Condition::Utilised(utilisation) if self.group.follows_load => Some(Measure::Utilised(*utilisation)),
            // Its agent may not have reported yet.
            Condition::Unmeasured(Unmeasured::NoAgent) if !view.is_settled => Some(Measure::Awaited),
            Condition::Utilised(_) | Condition::Unmeasured(_) => Some(Measure::Unknown),
            Condition::Paused => {
                let is_over = self.leaving.is_over(address, now);
                there.filter(|_| !is_over).map(|_| Measure::Drained)
            }
            Condition::Failed(_) => None,
            Condition::Awaited => there.map(|there| match there.destination.weight {
                0 => Measure::Drained,
                _ => Measure::Awaited,
            }),
            Condition::Drained(until) => {
                let until = match until {
                    Some(deadline) => self.leaving.by(address, *deadline),
                    None => self.leaving.until(address, now, self.group.drain),
                };
                there.is_some_and(|there| there.is_to_stay(until, now)).then_some(Measure::Drained)
            }
        }
    }

    /// What is known of the servers of this family.
    fn strength(
        &self,
        family: Family,
        view: &View<'_>,
        present: &BTreeMap<IpAddr, Present>,
        inputs: &BTreeMap<IpAddr, Input>,
    ) -> Strength {
        let of_family = || view.candidates.iter().filter(|(address, _)| Family::of(**address) == family);
        // Who was there before is believed until a check says otherwise.
        let is_believed = |address: &IpAddr| inputs.get(address).is_some_and(|input| input.measure != Measure::Drained);
        let is_up = |(address, candidate): &(&IpAddr, &Candidate)| {
            candidate.condition.is_up() || (candidate.condition == Condition::Awaited && is_believed(address))
        };
        let serving = || present.iter().filter(|(address, there)| Family::of(**address) == family && there.serves());
        let is_sorry = |address: &IpAddr| self.group.sorry.contains(address);
        let goes_on = self.awaits_edges(view) && (!view.is_settled || serving().any(|(address, _)| !is_sorry(address)));
        let awaits_check = self.awaits_checks(view) && of_family().any(|(_, server)| server.is_awaited());
        Strength {
            up: of_family().filter(is_up).count(),
            all: of_family().count(),
            is_known: !(goes_on || awaits_check),
            sorry_serves: serving().any(|(address, _)| is_sorry(address)),
        }
    }

    /// Whether checks may yet say something for the first time. One that can never be made is not waited for.
    fn awaits_checks(&self, view: &View<'_>) -> bool {
        self.started_at.is_none_or(|started_at| view.now - started_at <= self.group.patience())
    }

    /// The servers that the kernel has for the group, in whichever family.
    fn present(&self, kernel: &Snapshot) -> BTreeMap<IpAddr, Present> {
        let mut present = BTreeMap::new();
        for listed in self.group.keys().filter_map(|key| kernel.destinations.get(&key)).flatten() {
            let connections = u64::from(listed.active) + u64::from(listed.inactive);
            // One with a port of its own is nobody's here; it goes when what is planned does not name it.
            if listed.server.port == 0 {
                present.insert(listed.server.address, Present { destination: listed.destination, connections });
            }
        }
        present
    }

    fn empty_table(&self) -> Table {
        let service =
            |(family, service): (&Family, &_)| (self.group.key(*family), VirtualService::new(Clone::clone(service)));
        self.group.services.iter().map(service).collect()
    }

    fn put(&self, table: &mut Table, address: IpAddr, forwarding: Forwarding, weight: u32) {
        if let Some(service) = table.get_mut(&self.group.key(Family::of(address))) {
            service.destinations.insert(Server::at(address), self.group.destination(forwarding, weight));
        }
    }
}

/// A server that the kernel has.
#[derive(Debug, Clone, Copy)]
struct Present {
    destination: Destination,
    /// All that the kernel remembers, in whatever state.
    connections: u64,
}

impl Present {
    /// Whether it gets new connections.
    fn serves(&self) -> bool {
        self.destination.is_live()
    }

    /// Whether a server that is being emptied is to stay for now. While it has weight, connections come that have not been
    /// counted yet.
    fn is_to_stay(&self, until: Time, now: Time) -> bool {
        now < until && (self.connections > 0 || self.destination.weight > 0)
    }
}

/// What one gets who starts where there is nothing, and where every configured server is up: for people to read.
#[must_use]
pub fn at_first(group: &Group) -> Table {
    let serves = |member: &super::group::Member| {
        let condition = Condition::Unmeasured(Unmeasured::NoAgent);
        (member.address, Candidate { method: member.method, base: member.weight, edge: None, condition })
    };
    let candidates = group.servers.iter().map(serves).collect();
    let kernel = Snapshot::default();
    let view = View { now: Time::ORIGIN, candidates: &candidates, kernel: &kernel, is_settled: false };
    Decider::new(group.clone(), Duration::ZERO).decide(&view).table
}
