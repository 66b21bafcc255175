//! A configured virtual service: endpoints, scheduling, and the servers behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_checks::Check;

use super::edges::Edges;
use super::method::ForwardingMethod;
use crate::model::{Destination, Endpoint, Family, Forwarding, Mark, Name, Server, Service, ServiceKey};

/// A configured virtual service. In the kernel it is one service for each address family.
#[derive(Debug, Clone)]
pub struct VirtualService {
    /// Name of the service.
    pub name: String,
    /// Firewall mark of its packets.
    pub mark: Mark,
    /// Addresses, protocols and ports that clients use.
    pub endpoints: Vec<Endpoint>,
    /// Scheduler, the same for each family.
    pub scheduler: Name,
    /// Scheduling in each address family of the endpoints.
    pub families: BTreeMap<Family, Service>,
    /// Forwarding method for edges and sorry servers.
    pub method: ForwardingMethod,
    /// Number of connections above which a server gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// Number of connections below which a server gets new ones again; 0 for three quarters of the upper threshold.
    pub lower_threshold: u32,
    /// The edges that are real servers.
    pub edges: Edges,
    /// The configured real servers.
    pub servers: Vec<StaticServer>,
    /// Sorry servers, at most one of each family.
    pub sorry: Vec<IpAddr>,
    /// Number of servers that must be up in each family, at least 1; below it, the sorry server takes over.
    pub quorum: usize,
    /// Number of servers in addition to the quorum that must be up before the sorry server is drained.
    pub hysteresis: usize,
    /// How long a draining server may keep connections.
    pub drain: Duration,
    /// The health check of its servers; `None` if they are not checked.
    pub check: Option<ServiceCheck>,
    /// Whether weights follow load. They do not where two directors must choose alike without connection
    /// synchronisation, since each receives reports at different times.
    pub follows_load: bool,
}

/// A configured real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticServer {
    /// The server's address.
    pub address: IpAddr,
    /// Weight without load, 1 to [`Destination::MAX_WEIGHT`].
    pub weight: u32,
    /// Forwarding method.
    pub method: ForwardingMethod,
}

/// The health check of a service's servers.
#[derive(Debug, Clone)]
pub struct ServiceCheck {
    /// Probe, intervals and thresholds. The probe is never [`Probe::None`](weir_checks::check::Probe::None).
    pub settings: Arc<Check>,
    /// Port to probe.
    pub port: u16,
}

impl VirtualService {
    /// Keys of its services in the kernel, one for each family.
    pub fn keys(&self) -> impl Iterator<Item = ServiceKey> {
        self.families.keys().map(|family| self.key(*family))
    }

    /// Key of its service of this family in the kernel.
    #[must_use]
    pub fn key(&self, family: Family) -> ServiceKey {
        ServiceKey::Marked { family, mark: self.mark }
    }

    /// Returns whether the scheduler is weighted round robin, which picks servers by weight alone, whatever connections
    /// they have.
    #[must_use]
    pub fn is_round_robin(&self) -> bool {
        self.scheduler.as_str() == "wrr"
    }

    /// A destination with the service's thresholds.
    #[must_use]
    pub fn destination(&self, forwarding: Forwarding, weight: u32) -> Destination {
        let (upper_threshold, lower_threshold) = (self.upper_threshold, self.lower_threshold);
        Destination { forwarding, weight, upper_threshold, lower_threshold }
    }

    /// Returns whether the service can have a real server at `address`. Its own virtual addresses are excluded, since
    /// packets to them would never leave the director.
    #[must_use]
    pub fn can_have(&self, address: IpAddr) -> bool {
        Server::can_be_at(address) && !self.endpoints.iter().any(|endpoint| endpoint.address == address)
    }

    /// Its virtual addresses of this family.
    #[must_use]
    pub fn addresses(&self, family: Family) -> BTreeSet<IpAddr> {
        let addresses = self.endpoints.iter().map(|endpoint| endpoint.address);
        addresses.filter(|address| Family::of(*address) == family).collect()
    }

    /// The health check, if it probes the virtual address.
    #[must_use]
    pub fn vip_check(&self) -> Option<&Check> {
        self.check.as_ref().map(|check| &*check.settings).filter(|check| check.through_address)
    }

    /// Maximum time until the first checks have a verdict.
    #[must_use]
    pub fn check_grace(&self) -> Duration {
        let of = |check: &ServiceCheck| {
            let Check { timeout, fast_interval, fall, .. } = *check.settings;
            // `fall` is at most 100.
            (timeout + fast_interval).saturating_mul(u32::try_from(fall).unwrap_or(u32::MAX))
        };
        self.check.as_ref().map_or(Duration::ZERO, of)
    }

    /// The sorry server of this family. It has no thresholds, since it must serve all clients.
    #[must_use]
    pub fn sorry_server(&self, family: Family) -> Option<(Server, Destination)> {
        let address = self.sorry.iter().find(|address| Family::of(**address) == family)?;
        Some((Server::at(*address), Destination::new(self.method.to(*address), 1)))
    }
}
