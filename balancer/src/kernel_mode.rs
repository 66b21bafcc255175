//! Status of kernel mode for the administration. The crates of the two do not depend on each other.

use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_admin::{FamilyView, KernelMode, KernelView, ServerCounters, ServerView, ServiceView, SysctlView};
use weir_kernel::model::Role;
use weir_kernel::netlink::ipvs::ListedDestination;
use weir_kernel::status::{ServerStatus, ServiceStatus, State, Status};
use weir_kernel::sysctls::SysctlState;

/// The published status of kernel mode.
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
        changes: status.counts.changes,
        drift_repaired: status.counts.repaired,
        failures: status.counts.failures,
        services: status.services.iter().map(service).collect(),
        sysctls: status.sysctls.iter().map(sysctl).collect(),
    }
}

fn service(service: &ServiceStatus) -> ServiceView {
    let families = service.families.iter();
    ServiceView {
        name: service.name.clone(),
        mark: service.mark,
        scheduler: service.scheduler.clone(),
        quorum: service.quorum,
        families: families
            .map(|(family, status)| FamilyView { family: family.name(), up: status.up, sorry: status.is_sorry_active })
            .collect(),
        servers: service.servers.iter().map(|(address, status)| server(address.to_string(), status)).collect(),
    }
}

fn server(address: String, status: &ServerStatus) -> ServerView {
    let decision = status.decision.as_ref();
    ServerView {
        address,
        condition: status.condition(),
        weight: status.listed.map(|listed| listed.destination.weight),
        base_weight: decision.map(|decision| decision.base).filter(|base| *base > 0),
        headroom: decision.and_then(|decision| decision.weighed).and_then(|weighed| weighed.headroom),
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

fn sysctl(state: &SysctlState) -> SysctlView {
    SysctlView {
        name: state.sysctl.dotted(),
        expected: state.sysctl.value,
        actual: state.actual.clone().unwrap_or_else(|error| error),
        ok: state.is_ok(),
        reason: state.sysctl.purpose,
    }
}

#[cfg(test)]
mod tests {
    use weir_kernel::testing::status;

    use super::*;

    #[test]
    fn the_view_has_the_servers_of_each_service_with_their_weights() {
        let view = view(&Status { role: Some(Role::Master), ..status() });
        assert_eq!((view.state, view.role), ("running", Some("master")));
        let server = &view.services[0].servers[0];
        assert_eq!((server.address.as_str(), server.weight, server.base_weight), ("10.0.0.1", Some(40), Some(100)));
        assert_eq!((server.condition, server.reason.as_str()), ("measured", "forecast utilisation 60 %"));
        let counters = server.counters.unwrap();
        assert_eq!((counters.active_connections, counters.bytes_out), (3, 7));
    }
}
