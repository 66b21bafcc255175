//! Edges that are left out because of their address. Each is logged once, since its operator expects clients there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tracing::warn;

use crate::real_servers::AgentReports;
use crate::settings::VirtualService;

/// The unusable edges at the last update: name of the service and address.
#[derive(Debug, Default)]
pub(super) struct UnusableEdges(BTreeSet<(String, IpAddr)>);

impl UnusableEdges {
    /// Logs edges that are new.
    pub(super) fn update<'a>(
        &mut self,
        services: impl Iterator<Item = &'a VirtualService>,
        reports: &AgentReports<'_>,
    ) {
        let of = |service: &'a VirtualService| {
            reports.unusable_edges(service).into_iter().map(|address| (service.name.clone(), address))
        };
        let unusable: BTreeSet<_> = services.flat_map(of).collect();
        for (service, address) in unusable.difference(&self.0) {
            warn!(
                %service,
                %address,
                "edge ignored: a real server cannot have its address; set another `redirect` in its agent"
            );
        }
        self.0 = unusable;
    }
}
