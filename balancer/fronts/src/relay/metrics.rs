//! Prometheus metrics of relayed sessions, read from the registry at each scrape.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use weir_program::metrics::Family;

use crate::relay::sessions::RelaySessions;

/// Collects the metrics of relayed sessions.
#[derive(Debug)]
pub struct RelayMetrics {
    relayed: Arc<RelaySessions>,
    sessions: Family<0>,
    sessions_total: Family<0>,
    bytes: Family<1>,
}

impl RelayMetrics {
    /// Metrics of the sessions in this registry.
    #[must_use]
    pub fn new(relayed: Arc<RelaySessions>) -> Self {
        Self {
            relayed,
            sessions: Family::gauge("weir_relay_sessions", "Relayed sessions currently open.", []),
            sessions_total: Family::counter(
                "weir_relay_sessions_total",
                "Relayed sessions opened, including those whose connection to the edge failed.",
                [],
            ),
            bytes: Family::counter("weir_relay_bytes_total", "Bytes relayed, by direction.", ["direction"]),
        }
    }
}

impl Collector for RelayMetrics {
    fn desc(&self) -> Vec<&Desc> {
        vec![self.sessions.desc(), self.sessions_total.desc(), self.bytes.desc()]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let total = self.relayed.total();
        vec![
            self.sessions.with_value(total.sessions as f64),
            self.sessions_total.with_value(total.sessions_total as f64),
            self.bytes.with([(["to_edge"], total.bytes_to_edge as f64), (["to_client"], total.bytes_to_client as f64)]),
        ]
    }
}
