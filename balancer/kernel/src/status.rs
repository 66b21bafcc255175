//! Status of kernel mode.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::desired::{FamilyStatus, ServerDecision, ServiceDecision};
use super::kernel::Snapshot;
use super::model::{Family, Role, ServiceKey};
use super::netlink::ipvs::ListedDestination;
use super::real_servers::Condition;
use super::settings::VirtualService;
use super::sysctls::SysctlState;

/// Status of kernel mode.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Whether it works.
    pub state: State,
    /// Role of this director; `None` if it is not one of a pair, or if keepalived has not reported it yet.
    pub role: Option<Role>,
    /// The services, as of the last time that the kernel was read.
    pub services: Vec<ServiceStatus>,
    /// The sysctls that kernel mode requires.
    pub sysctls: Vec<SysctlState>,
    /// Counts since the start.
    pub counts: ChangeCounts,
}

/// Whether kernel mode works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// It has not started.
    #[default]
    Off,
    /// The kernel is in its desired state.
    Running,
    /// It does not work, or only partly, for this reason.
    Failed(String),
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Changes that were applied to the kernel.
    pub changes: u64,
    /// Those of them that reverted changes by other programs.
    pub repaired: u64,
    /// Changes that the kernel refused, and failures to read its state.
    pub failures: u64,
}

/// Status of a virtual service.
#[derive(Debug, Clone)]
pub struct ServiceStatus {
    /// Name of the service.
    pub name: String,
    /// Firewall mark of the service in the kernel.
    pub mark: u32,
    /// Scheduler.
    pub scheduler: String,
    /// Number of servers that must be up in each family.
    pub quorum: usize,
    /// Status in each address family of its endpoints.
    pub families: BTreeMap<Family, FamilyStatus>,
    /// All servers, whether the kernel has them or not.
    pub servers: BTreeMap<IpAddr, ServerStatus>,
}

/// Status of a server of a service.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// Its desired state; `None` for the active sorry server.
    pub decision: Option<ServerDecision>,
    /// Its state in the kernel; `None` if the kernel does not have it.
    pub listed: Option<ListedDestination>,
    /// Number of its health checks, by result: [`CHECK_OK`], or the reason of a failure
    /// ([`Failure::reason`](weir_checks::Failure::reason)).
    pub check_results: BTreeMap<&'static str, u64>,
}

/// Result of a successful health check.
pub const CHECK_OK: &str = "ok";

impl Status {
    /// Whether no failure is known.
    ///
    /// # Errors
    /// The reason of the failure.
    pub fn health(&self) -> Result<(), String> {
        match &self.state {
            State::Off | State::Running => Ok(()),
            State::Failed(reason) => Err(reason.clone()),
        }
    }

    /// Number of services in the kernel, if it can serve the clients of all.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn readiness(&self) -> Result<usize, String> {
        if self.state == State::Off {
            return Err("kernel state not applied yet".to_owned());
        }
        self.health()?;
        let unserved = |service: &ServiceStatus| service.unserved().next().map(|family| (service.name.clone(), family));
        match self.services.iter().find_map(unserved) {
            Some((name, family)) => Err(format!("service `{name}` has no server for {family}")),
            None => Ok(self.services.len()),
        }
    }
}

impl ServiceStatus {
    /// The status for a decision and the present state of the kernel.
    #[must_use]
    pub fn new(service: &VirtualService, decision: ServiceDecision, kernel: &Snapshot) -> Self {
        let of = |(address, decision)| (address, ServerStatus { decision: Some(decision), ..ServerStatus::default() });
        let mut servers: BTreeMap<_, _> = decision.servers.into_iter().map(of).collect();
        let listed = |key: ServiceKey| kernel.destinations.get(&key).into_iter().flatten();
        for listed in service.keys().flat_map(listed) {
            servers.entry(listed.server.address).or_default().listed = Some(*listed);
        }
        Self {
            name: service.name.clone(),
            mark: service.mark.number(),
            scheduler: service.scheduler.to_string(),
            quorum: service.quorum,
            families: decision.families,
            servers,
        }
    }

    /// The status when the kernel cannot be read: with decisions, without the state of the kernel.
    #[must_use]
    pub fn without_kernel_state(mut self) -> Self {
        self.servers.values_mut().for_each(|server| server.listed = None);
        self
    }

    /// Returns whether the kernel has a server for clients of each family.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.unserved().next().is_none()
    }

    /// The families for which the kernel has no server that gets clients.
    pub fn unserved(&self) -> impl Iterator<Item = Family> {
        let listed = || self.servers.values().filter_map(|server| server.listed);
        let is_served = move |family| {
            listed().any(|listed| Family::of(listed.server.address) == family && listed.destination.is_live())
        };
        self.families.keys().copied().filter(move |family| !is_served(*family))
    }
}

impl ServerStatus {
    /// A stable name of its condition for metrics and API.
    #[must_use]
    pub fn condition(&self) -> &'static str {
        match &self.decision {
            None => "sorry",
            Some(decision) => decision.condition.as_ref().map_or("orphaned", |condition| condition.name()),
        }
    }

    /// The reason of its weight, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        let Some(decision) = &self.decision else { return "sorry server".to_owned() };
        let Some(condition) = &decision.condition else {
            let is_kept = decision.weight.is_some_and(|weight| weight > 0);
            return if is_kept { "no report from its agent yet" } else { "no longer configured or reported" }
                .to_owned();
        };
        match decision.weighed {
            Some(weighed) if weighed.weight > 0 && decision.weight == Some(0) => "sorry server is active".to_owned(),
            Some(weighed) if weighed.is_ramping => format!("{condition}, ramping up"),
            Some(weighed) if weighed.headroom.is_none() && matches!(condition, Condition::Utilised(_)) => {
                format!("{condition}, not used because both directors must have the same weights")
            }
            _ => condition.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::status;

    #[test]
    fn health_and_readiness_give_the_reason_of_a_failure() {
        assert_eq!(Status::default().health(), Ok(()));
        assert_eq!(status().readiness(), Ok(1));
        let failed = Status { state: State::Failed("no IPVS".to_owned()), ..status() };
        assert_eq!(failed.health(), Err("no IPVS".to_owned()));
        assert_eq!(failed.readiness(), Err("no IPVS".to_owned()));
        let mut empty = status();
        empty.services[0].servers.clear();
        assert_eq!(empty.readiness(), Err("service `media` has no server for IPv4".to_owned()));
    }
}
