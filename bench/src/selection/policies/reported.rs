//! What the simple contenders know of edges: the last report of each.

use std::time::Duration;

use weir_fleet::Time;
use weir_protocol::Report;

/// They take an edge for dead when it has been silent for so long, as Weir does.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// The last report of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    pub(super) at: Time,
    pub(super) connections: u64,
    /// In whatever unit the edge gives it.
    pub(super) capacity: f64,
    /// Of that capacity.
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
