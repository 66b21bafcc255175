//! Probe services, which have one real server each, and their marks.
//!
//! They are part of the desired table like all other services, so the planner adds, corrects and deletes them. But
//! nf_tables never sets their marks on packets: only the sockets of probes do. A probe service can be recognised in the
//! kernel, so after a restart the balancer takes it over with its mark, and no check is interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use weir_checks::ProbeOptions;
use weir_checks::check::Probe;

use crate::model::{
    Destination, Family, Forwarding, Mark, MarkRange, Name, Server, Service, ServiceEntry, ServiceKey, Table,
};
use crate::settings::{ForwardingMethod, VirtualService};

/// Hop limit of probes with direct routing: as far as the server. The director forwards such a packet as a router does,
/// and the server receives it unchanged. A server that has lost the virtual address and forwards packets would send it
/// to a director again, which would send it to some server that is up.
const HOPS: u8 = 2;

/// A service for probes of one real server. Virtual services with the same server, forwarding and protocol share it,
/// since the packets themselves have the virtual address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbeService {
    /// Address of the server.
    pub server: IpAddr,
    /// Forwarding method.
    pub forwarding: Forwarding,
    /// Whether each datagram is scheduled separately. Otherwise, for some minutes, a datagram from the same port to
    /// another server would be sent to the server of the first one.
    pub one_packet: bool,
}

/// Assigns marks to probe services.
#[derive(Debug, Clone)]
pub struct ProbeServices {
    range: MarkRange,
    /// Marks of virtual services.
    taken: BTreeSet<Mark>,
    marks: BTreeMap<ProbeService, Mark>,
}

impl ProbeService {
    /// The probe service for a server of `service`; `None` if its servers are not checked through the virtual address.
    #[must_use]
    pub fn to(server: IpAddr, method: ForwardingMethod, service: &VirtualService) -> Option<Self> {
        let check = service.vip_check()?;
        let forwarding = method.to(server);
        // With NAT, the kernel must have the connection to translate the reply.
        let one_packet = matches!(check.probe, Probe::Udp(_)) && forwarding != Forwarding::Masquerade;
        Some(Self { server, forwarding, one_packet })
    }

    /// Options for probes of the server, with this mark and from this address.
    #[must_use]
    pub fn options(&self, mark: Mark, source: IpAddr) -> ProbeOptions {
        let is_direct = self.forwarding == Forwarding::DirectRoute;
        ProbeOptions { mark: Some(mark.number()), source: Some(source), hops: is_direct.then_some(HOPS) }
    }

    /// Key of the service in the kernel.
    #[must_use]
    pub fn key(&self, mark: Mark) -> ServiceKey {
        ServiceKey::Marked { family: Family::of(self.server), mark }
    }

    /// The service in the kernel.
    #[must_use]
    pub fn service(&self) -> ServiceEntry {
        // With one server, all schedulers are alike. This one is the default, so it is usually loaded already.
        let scheduler = Name::weighted_least_connections();
        let service = Service { one_packet: self.one_packet, ..Service::new(scheduler) };
        let destination = (Server::at(self.server), Destination::new(self.forwarding, 1));
        ServiceEntry { service, destinations: [destination].into() }
    }

    /// The probe service and its mark, if a service in the kernel is one.
    #[must_use]
    pub fn read(key: &ServiceKey, service: &ServiceEntry) -> Option<(Self, Mark)> {
        let ServiceKey::Marked { mark, .. } = key else { return None };
        let (server, destination) = service.destinations.first_key_value()?;
        let (forwarding, one_packet) = (destination.forwarding, service.service.one_packet);
        let probe_service = Self { server: server.address, forwarding, one_packet };
        let is_probe_service = probe_service.key(*mark) == *key && probe_service.service() == *service;
        is_probe_service.then_some((probe_service, *mark))
    }
}

impl ProbeServices {
    /// No probe services yet. They get marks of `range` that the virtual `services` do not have.
    #[must_use]
    pub fn new<'a>(range: MarkRange, services: impl IntoIterator<Item = &'a VirtualService>) -> Self {
        let taken = services.into_iter().map(|service| service.mark).collect();
        Self { range, taken, marks: BTreeMap::new() }
    }

    /// Assigns a mark to each of the `required` probe services, and to no others: the one that it has, otherwise the
    /// one that it has in the kernel, otherwise an unused one. If there are too few marks, some services get none.
    pub fn assign(&mut self, required: &BTreeSet<ProbeService>, kernel: &Table) {
        self.marks.retain(|probe_service, _| required.contains(probe_service));
        for (probe_service, mark) in kernel.iter().filter_map(|(key, service)| ProbeService::read(key, service)) {
            let is_free = self.is_free(mark);
            if is_free && required.contains(&probe_service) {
                self.marks.entry(probe_service).or_insert(mark);
            }
        }
        // Marks that have just been released may still be in use: packets on their way must not reach another server.
        let marked = |key: &ServiceKey| match key {
            ServiceKey::Marked { mark, .. } => Some(*mark),
            ServiceKey::Addressed { .. } => None,
        };
        let used: BTreeSet<Mark> = kernel.keys().filter_map(marked).collect();
        let unmarked: Vec<_> =
            required.iter().filter(|probe_service| !self.marks.contains_key(probe_service)).collect();
        // From the end of the range, since virtual services get theirs from its beginning: a service that is added to
        // the configuration takes no mark from a probe service.
        let assigned: BTreeSet<Mark> = self.marks.values().copied().collect();
        let is_free = |mark: &Mark| !self.taken.contains(mark) && !assigned.contains(mark) && !used.contains(mark);
        let free: Vec<Mark> = self.range.iter().rev().filter(is_free).take(unmarked.len()).collect();
        self.marks.extend(unmarked.into_iter().copied().zip(free));
    }

    /// The mark of a probe service.
    #[must_use]
    pub fn mark(&self, probe_service: &ProbeService) -> Option<Mark> {
        self.marks.get(probe_service).copied()
    }

    /// The desired services in the kernel.
    #[must_use]
    pub fn table(&self) -> Table {
        self.marks.iter().map(|(probe_service, mark)| (probe_service.key(*mark), probe_service.service())).collect()
    }

    fn is_free(&self, mark: Mark) -> bool {
        self.range.contains(mark) && !self.taken.contains(&mark) && !self.marks.values().any(|other| *other == mark)
    }
}

/// The probe services for the configured servers of these services.
#[must_use]
pub fn static_probe_services<'a>(services: impl IntoIterator<Item = &'a VirtualService>) -> BTreeSet<ProbeService> {
    let of = |service: &'a VirtualService| {
        service.servers.iter().filter_map(|server| ProbeService::to(server.address, server.method, service))
    };
    services.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
