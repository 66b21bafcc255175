//! Kernel mode as the administration sees it. Neither of the two crates depends on the other.

use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_admin::{FamilyView, KernelMode, KernelView, ServerCounters, ServerView, ServiceView, SysctlView};
use weir_kernel::model::Role;
use weir_kernel::netlink::ipvs::ListedDestination;
use weir_kernel::status::{GroupStatus, ServerStatus, State, Status};
use weir_kernel::sysctls::Finding;

/// The status that kernel mode publishes.
#[derive(Debug)]
pub(crate) struct Published(pub(crate) Arc<ArcSwap<Status>>);

impl KernelMode for Published {
    fn health(&self) -> Result<(), String> {
        self.0.load().health()
    }

    fn readiness(&self) -> Result<usize, String> {
        self.0.load().readiness()
    }

    fn view(&self) -> KernelView {
        view(&self.0.load())
    }
}

fn view(status: &Status) -> KernelView {
    let (state, reason) = match &status.state {
        State::Off => ("off", None),
        State::Running => ("running", None),
        State::Failed(reason) => ("failed", Some(reason.clone())),
    };
    KernelView {
        state,
        reason,
        role: status.role.map(Role::name),
        changes: status.tally.changes,
        drift_repaired: status.tally.repaired,
        failures: status.tally.failures,
        services: status.groups.iter().map(service).collect(),
        sysctls: status.sysctls.iter().map(sysctl).collect(),
    }
}

fn service(group: &GroupStatus) -> ServiceView {
    let families = group.standings.iter();
    ServiceView {
        name: group.name.clone(),
        mark: group.mark,
        scheduler: group.scheduler.clone(),
        quorum: group.quorum,
        families: families
            .map(|(family, standing)| FamilyView { family: family.name(), up: standing.up, sorry: standing.is_sorry })
            .collect(),
        servers: group.servers.iter().map(|(address, status)| server(address.to_string(), status)).collect(),
    }
}

fn server(address: String, status: &ServerStatus) -> ServerView {
    let decided = status.decided.as_ref();
    ServerView {
        address,
        condition: status.condition(),
        weight: status.listed.map(|listed| listed.destination.weight),
        base_weight: decided.map(|decided| decided.base).filter(|base| *base > 0),
        headroom: decided.and_then(|decided| decided.weighed).and_then(|weighed| weighed.headroom),
        reason: status.reason(),
        counters: status.listed.as_ref().map(counters),
    }
}

fn counters(listed: &ListedDestination) -> ServerCounters {
    ServerCounters {
        active_connections: listed.active,
        inactive_connections: listed.inactive,
        persistent_clients: listed.persistent,
        connections: listed.counters.connections,
        packets_in: listed.counters.packets_in,
        packets_out: listed.counters.packets_out,
        bytes_in: listed.counters.bytes_in,
        bytes_out: listed.counters.bytes_out,
    }
}

fn sysctl(finding: &Finding) -> SysctlView {
    SysctlView {
        name: finding.variable.name.replace('/', "."),
        expected: finding.variable.value,
        actual: finding.found.clone().unwrap_or_else(|error| error),
        ok: finding.is_right(),
        reason: finding.variable.reason,
    }
}

#[cfg(test)]
mod tests {
    use weir_kernel::testing::status;

    use super::*;

    #[test]
    fn the_view_says_who_serves_with_what_weight_and_why() {
        let shown = view(&Status { role: Some(Role::Master), ..status() });
        assert_eq!((shown.state, shown.role), ("running", Some("master")));
        let server = &shown.services[0].servers[0];
        assert_eq!((server.address.as_str(), server.weight, server.base_weight), ("10.0.0.1", Some(40), Some(100)));
        assert_eq!((server.condition, server.reason.as_str()), ("measured", "forecast utilisation 60 %"));
        let counters = server.counters.unwrap();
        assert_eq!((counters.active_connections, counters.bytes_out), (3, 7));
    }
}
