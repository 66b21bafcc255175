//! All metrics of a balancer, registered in one place.

use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_fleet::Snapshot;
use weir_fronts::relay::{RelayMetrics, RelaySessions};
use weir_program::clock::Clock;
use weir_program::metrics::Registry;

use crate::control;

/// State that is read when the metrics are scraped.
#[derive(Debug)]
pub struct Sources {
    /// The published fleet.
    pub fleet: Arc<ArcSwap<Snapshot>>,
    /// The clock of the fleet.
    pub clock: Clock,
    /// The relayed sessions.
    pub relayed: Arc<RelaySessions>,
    /// The status of kernel mode, if it is configured.
    pub kernel: Option<Arc<ArcSwap<weir_kernel::status::Status>>>,
}

/// Registers every metric of a balancer. Returns those that the control thread and the fronts count.
#[must_use]
pub fn register(registry: &Registry, sources: Sources) -> (control::Metrics, weir_fronts::Metrics) {
    let Sources { fleet, clock, relayed, kernel } = sources;
    registry.collect(RelayMetrics::new(relayed));
    if let Some(status) = kernel {
        registry.collect(weir_kernel::metrics::Metrics::new(status));
    }
    (control::Metrics::new(registry, fleet, clock), weir_fronts::Metrics::new(registry))
}
