//! Observes what decisions depend on: the kernel's state, agents' reports, verdicts of health checks, and routes.
//! Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_fleet::Time;
use weir_program::netlink;

use super::health_checks::HealthChecks;
use super::unusable_edges::UnusableEdges;
use super::vip_checks::VipChecks;
use crate::directors::{NotifyFifo, role_from_daemons};
use crate::kernel::{KernelApi, Snapshot};
use crate::model::{Role, Table};
use crate::real_servers::{AgentReports, RealServer};
use crate::settings::{Settings, VirtualService};

/// What a decision depends on, at a moment.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    /// The moment.
    pub(super) now: Time,
    /// State of the kernel.
    pub(super) kernel: Snapshot,
    /// The real servers of each service, in the order of the services.
    pub(super) servers: Vec<BTreeMap<IpAddr, RealServer>>,
    /// The probe services that the health checks of these servers need.
    pub(super) probe_services: Table,
    /// The interfaces on which replies arrive with a virtual IPv4 address as source.
    pub(super) reply_interfaces: BTreeSet<String>,
    /// Role of this director, if it is one of a pair and the role is known.
    pub(super) role: Option<Role>,
    /// Whether every edge that reports has had time to do so since the start.
    pub(super) is_settled: bool,
}

/// Sources of observations besides the kernel. They exist only within the controller's runtime.
#[derive(Debug)]
pub(super) struct Sources {
    /// Agents' reports.
    pub(super) fleet: Arc<weir_fleet::Snapshot>,
    /// The health checks.
    pub(super) health_checks: HealthChecks,
    /// Notifications of keepalived, if this director is one of a pair.
    pub(super) notify_fifo: Option<NotifyFifo>,
}

/// Makes observations.
#[derive(Debug)]
pub(super) struct Observer {
    settled_after: Duration,
    unusable_edges: UnusableEdges,
    vip_checks: VipChecks,
}

impl Observer {
    /// An observer for the services in `settings`. All edges have had time to report `settled_after` the start.
    pub(super) fn new(settings: &Settings, settled_after: Duration) -> Self {
        let vip_checks = VipChecks::new(settings.mark_range, settings.services.iter());
        Self { settled_after, unusable_edges: UnusableEdges::default(), vip_checks }
    }

    /// Makes an observation. `role` is the one that keepalived has reported.
    ///
    /// # Errors
    /// [`netlink::Error`] when the kernel's state cannot be read.
    pub(super) fn observe(
        &mut self,
        settings: &Settings,
        kernel: &mut impl KernelApi,
        sources: &Sources,
        role: Option<Role>,
        now: Time,
    ) -> Result<Observation, netlink::Error> {
        let kernel = kernel.read(&settings.owned)?;
        let reports = AgentReports::new(&sources.fleet, now);
        let verdicts = sources.health_checks.verdicts();
        let servers_of = |(index, service): (usize, &VirtualService)| reports.servers(service, verdicts.health(index));
        let servers: Vec<_> = settings.services.iter().enumerate().map(servers_of).collect();
        self.unusable_edges.update(settings.services.iter(), &reports);
        self.vip_checks.update(settings.services.iter().zip(&servers), &kernel.actual().table);
        Ok(Observation {
            now,
            role: role.or_else(|| settings.directors.as_ref().and_then(|_| role_from_daemons(&kernel.daemons))),
            kernel,
            servers,
            probe_services: self.vip_checks.table(),
            reply_interfaces: self.vip_checks.reply_interfaces(),
            is_settled: now - Time::ORIGIN >= self.settled_after,
        })
    }

    /// The servers that are checked through virtual addresses, as of the last observation.
    pub(super) fn vip_checks(&self) -> &VipChecks {
        &self.vip_checks
    }
}
