//! What is configured of kernel mode: groups of packets that are one virtual service for each family of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use weir_checks::Check;
use weir_checks::check::Question;

use crate::model::{Destination, Family, Forwarding, Mark, Packets, Protocol, Server, Service, ServiceKey};
use crate::settings::{Edges, ForwardingMethod};

/// A virtual service as it is configured.
#[derive(Debug, Clone)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// Under which mark the kernel knows it.
    pub mark: Mark,
    /// What clients send it.
    pub packets: Vec<Packets>,
    /// How the kernel chooses, for each family that it has addresses of.
    pub services: BTreeMap<Family, Service>,
    /// How packets get to edges and sorry servers.
    pub method: ForwardingMethod,
    /// Connections above which a server gets no more; 0 for no such limit.
    pub upper_threshold: u32,
    /// Connections below which it gets some again after that; 0 for three quarters of the upper.
    pub lower_threshold: u32,
    /// Which edges are servers.
    pub edges: Edges,
    /// Servers that are there by themselves.
    pub servers: Vec<Member>,
    /// Where clients go when too few servers are up, at most one of each family.
    pub sorry: Vec<IpAddr>,
    /// Servers that must be up; at least 1.
    pub quorum: usize,
    /// Servers beyond those that must be up before the sorry server goes.
    pub hysteresis: usize,
    /// How long a drained server may keep connections.
    pub drain: Duration,
    /// How servers are checked, if they are.
    pub check: Option<Check>,
    /// Whether weights follow load. They do not where two directors must choose alike without telling each other: each has
    /// heard of load at other moments.
    pub follows_load: bool,
}

/// A server that is there by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its address.
    pub address: IpAddr,
    /// Its share of the clients, 1 to [`Destination::HEAVIEST`].
    pub weight: u32,
    /// How packets get there.
    pub method: ForwardingMethod,
}

impl Group {
    /// What the kernel knows its services by, one for each family.
    pub fn keys(&self) -> impl Iterator<Item = ServiceKey> {
        self.services.keys().map(|family| self.key(*family))
    }

    /// What the kernel knows its service of this family by.
    #[must_use]
    pub fn key(&self, family: Family) -> ServiceKey {
        ServiceKey::Marked { family, mark: self.mark }
    }

    /// Its scheduler, which is the same for each family.
    #[must_use]
    pub fn scheduler(&self) -> &str {
        self.services.values().next().map_or("", |service| service.scheduler.as_str())
    }

    /// Whether its scheduler has servers take turns, by their weights, and not by the connections that they have.
    #[must_use]
    pub fn takes_turns(&self) -> bool {
        self.scheduler() == "wrr"
    }

    /// A server of it.
    #[must_use]
    pub fn destination(&self, forwarding: Forwarding, weight: u32) -> Destination {
        let (upper_threshold, lower_threshold) = (self.upper_threshold, self.lower_threshold);
        Destination { forwarding, weight, upper_threshold, lower_threshold }
    }

    /// Whether a server of it can be at this address: no packet would leave the director that is sent to one of its own.
    #[must_use]
    pub fn can_have(&self, address: IpAddr) -> bool {
        Server::can_be_at(address) && !self.packets.iter().any(|packets| packets.address == address)
    }

    /// The port that servers are checked at: the one that the check names, or the first of its protocol that clients use.
    /// `None` when there is neither, or no check.
    #[must_use]
    pub fn checked_port(&self) -> Option<u16> {
        let check = self.check.as_ref()?;
        let protocol = if matches!(check.question, Question::Udp(_)) { Protocol::Udp } else { Protocol::Tcp };
        let first = || self.packets.iter().find(|packets| packets.protocol == protocol);
        check.port.map(u16::from).or_else(|| first().map(|packets| packets.ports.first()))
    }

    /// Its virtual addresses of this family.
    #[must_use]
    pub fn addresses(&self, family: Family) -> BTreeSet<IpAddr> {
        let addresses = self.packets.iter().map(|packets| packets.address);
        addresses.filter(|address| Family::of(*address) == family).collect()
    }

    /// The longest that it takes until a check has said whether a server works.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let of = |check: &Check| {
            let fall = u32::try_from(check.fall).unwrap_or(u32::MAX);
            (check.timeout + check.fast_interval).saturating_mul(fall)
        };
        self.check.as_ref().map_or(Duration::ZERO, of)
    }

    /// The sorry server of this family, which has no thresholds: it says sorry to everybody.
    #[must_use]
    pub fn sorry_server(&self, family: Family) -> Option<(Server, Destination)> {
        let address = self.sorry.iter().find(|address| Family::of(**address) == family)?;
        Some((Server::at(*address), Destination::new(self.method.to(*address), 1)))
    }
}
