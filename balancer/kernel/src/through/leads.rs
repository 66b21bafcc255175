//! Services that lead to one server each, and their marks.
//!
//! They are desired as all others are, so that the planner makes them, puts them right and deletes them; but no packet is
//! ever marked for them by nf_tables, only by the sockets of probes. Which server and which way a service is for can be
//! read from the service itself, so that the next balancer takes it over with its mark, and no check is interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use weir_checks::ProbeOptions;
use weir_checks::check::Question;

use crate::group::Group;
use crate::model::{
    Destination, Family, Forwarding, Mark, MarkRange, Name, Server, Service, ServiceKey, Table, VirtualService,
};
use crate::settings::ForwardingMethod;

/// To the server and no further, for direct routing: the director passes a packet on as a router does, and the server takes it
/// as it comes. One that has lost the virtual address, and is a router besides, would send it back to a director, which
/// sends it to some server that works.
const HOPS: u8 = 2;

/// A server that is to be reached alone. Services that have it in common share what leads to it: where a packet goes to at
/// the server, it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// Its address.
    pub server: IpAddr,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Whether each datagram goes by itself. Otherwise one to another server that comes from the same port within minutes
    /// would go where the first went.
    pub one_packet: bool,
}

/// The marks of all that lead to a server.
#[derive(Debug, Clone)]
pub struct Leads {
    range: MarkRange,
    /// Marks of services that clients use.
    taken: BTreeSet<Mark>,
    marks: BTreeMap<Lead, Mark>,
}

impl Lead {
    /// What leads to this server of a group; `None` when the group's servers are not checked through its addresses.
    #[must_use]
    pub fn to(server: IpAddr, method: ForwardingMethod, group: &Group) -> Option<Self> {
        let check = group.check.as_ref().filter(|check| check.through_address)?;
        let forwarding = method.to(server);
        // By NAT an answer has to be known for one.
        let is_forgotten = matches!(check.question, Question::Udp(_)) && forwarding != Forwarding::Masquerade;
        Some(Self { server, forwarding, one_packet: is_forgotten })
    }

    /// How a probe gets there and nowhere else, with this mark and from this address.
    #[must_use]
    pub fn options(&self, mark: Mark, source: IpAddr) -> ProbeOptions {
        let is_next = self.forwarding == Forwarding::DirectRoute;
        ProbeOptions { mark: Some(mark.number()), source: Some(source), hops: is_next.then_some(HOPS) }
    }

    /// What the kernel knows its service by.
    #[must_use]
    pub fn key(&self, mark: Mark) -> ServiceKey {
        ServiceKey::Marked { family: Family::of(self.server), mark }
    }

    /// Its service: one server, to which everything goes.
    #[must_use]
    pub fn service(&self) -> VirtualService {
        // With one server any scheduler will do. This one is the default, so that it is there as a rule.
        let scheduler = Name::weighted_least_connections();
        let service = Service { one_packet: self.one_packet, ..Service::new(scheduler) };
        let destination = (Server::at(self.server), Destination::new(self.forwarding, 1));
        VirtualService { service, destinations: [destination].into() }
    }

    /// What this service leads to, if it is one that leads to a server alone.
    #[must_use]
    pub fn read(key: &ServiceKey, service: &VirtualService) -> Option<(Self, Mark)> {
        let ServiceKey::Marked { mark, .. } = key else { return None };
        let (server, destination) = service.destinations.first_key_value()?;
        let (forwarding, one_packet) = (destination.forwarding, service.service.one_packet);
        let lead = Self { server: server.address, forwarding, one_packet };
        (lead.key(*mark) == *key && lead.service() == *service).then_some((lead, *mark))
    }
}

impl Leads {
    /// None yet; they will have those marks of the range that these groups have not.
    #[must_use]
    pub fn new<'a>(range: MarkRange, groups: impl IntoIterator<Item = &'a Group>) -> Self {
        let taken = groups.into_iter().map(|group| group.mark).collect();
        Self { range, taken, marks: BTreeMap::new() }
    }

    /// Gives each of these a mark, and no others: the one that it has, else the one that it has in the kernel, else one
    /// that nobody has. When there are too few marks, some get none.
    pub fn assign(&mut self, wanted: &BTreeSet<Lead>, kernel: &Table) {
        self.marks.retain(|lead, _| wanted.contains(lead));
        for (lead, mark) in kernel.iter().filter_map(|(key, service)| Lead::read(key, service)) {
            let is_free = self.is_free(mark);
            if is_free && wanted.contains(&lead) {
                self.marks.entry(lead).or_insert(mark);
            }
        }
        // Those that were taken back a moment ago are still in use: what is on its way there must not get elsewhere.
        let marked = |key: &ServiceKey| match key {
            ServiceKey::Marked { mark, .. } => Some(*mark),
            ServiceKey::Addressed { .. } => None,
        };
        let used: BTreeSet<Mark> = kernel.keys().filter_map(marked).collect();
        let unmarked: Vec<_> = wanted.iter().filter(|lead| !self.marks.contains_key(lead)).collect();
        // From the end, since services get theirs from the beginning: one that is added to the configuration takes no mark
        // from any of these.
        let given: BTreeSet<Mark> = self.marks.values().copied().collect();
        let is_free = |mark: &Mark| !self.taken.contains(mark) && !given.contains(mark) && !used.contains(mark);
        let free: Vec<Mark> = self.range.iter().rev().filter(is_free).take(unmarked.len()).collect();
        self.marks.extend(unmarked.into_iter().copied().zip(free));
    }

    /// The mark of what leads to a server.
    #[must_use]
    pub fn mark(&self, lead: &Lead) -> Option<Mark> {
        self.marks.get(lead).copied()
    }

    /// The services, as they are desired.
    #[must_use]
    pub fn table(&self) -> Table {
        self.marks.iter().map(|(lead, mark)| (lead.key(*mark), lead.service())).collect()
    }

    fn is_free(&self, mark: Mark) -> bool {
        self.range.contains(mark) && !self.taken.contains(&mark) && !self.marks.values().any(|other| *other == mark)
    }
}

/// What leads to the configured servers of these groups.
#[must_use]
pub fn to_members<'a>(groups: impl IntoIterator<Item = &'a Group>) -> BTreeSet<Lead> {
    let of =
        |group: &'a Group| group.servers.iter().filter_map(|member| Lead::to(member.address, member.method, group));
    groups.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
