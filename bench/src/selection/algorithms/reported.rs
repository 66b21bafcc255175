//! The last report of an edge, for the simple algorithms.

use std::time::Duration;

use weir_fleet::Time;
use weir_protocol::Report;

/// Time without a report after which an edge is considered dead, as by Weir.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// The last report of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    pub(super) at: Time,
    pub(super) connections: u64,
    /// In the unit that the edge reports.
    pub(super) capacity: f64,
    /// As a share of that capacity.
    pub(super) utilisation: f64,
}

impl Reported {
    pub(super) fn new(report: &Report<'_>, now: Time) -> Self {
        let connections = report.load.connections.unwrap_or(0);
        let (load, capacity) = match report.capacity.bits_per_second {
            Some(bits) => (report.load.out_bits_per_second.unwrap_or(0), bits),
            None => (connections, report.capacity.connections.unwrap_or(1)),
        };
        let capacity = capacity as f64;
        Self { at: now, connections, capacity, utilisation: load as f64 / capacity }
    }

    pub(super) fn is_alive(&self, now: Time) -> bool {
        now - self.at <= TIMEOUT
    }
}
