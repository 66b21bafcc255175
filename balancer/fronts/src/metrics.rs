//! Prometheus metrics of the fronts.
//!
//! Counters on the path of a client are looked up once, at startup, so that counting is one atomic addition.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};
use weir_fleet::{Protocol, Reason, Refusal};
use weir_program::metrics::Registry;

/// The `protocol` label of clients whose protocol is not inspected (`relay_port`).
const TCP: &str = "tcp";

/// Metrics of the fronts.
#[derive(Debug)]
pub struct Metrics {
    /// Clients assigned to an edge or an overflow target, by [`protocols`] and [`Reason::ALL`].
    assignments: Vec<Vec<IntCounter>>,
    /// Clients refused, by [`protocols`] and [`Refusal::ALL`].
    refusals: Vec<Vec<IntCounter>>,
    /// Client connections accepted.
    pub(crate) connections: IntCounter,
    /// Open client connections.
    pub(crate) open_connections: IntGauge,
    /// Clients rejected, by `protocol` and `reason`.
    rejected_clients: IntCounterVec,
    /// Failed connections to edges, by `reason`.
    relay_connect_failures: IntCounterVec,
    /// Relayed sessions closed by the balancer, by `reason`.
    relay_sessions_closed: IntCounterVec,
    #[cfg(test)]
    registry: Registry,
}

impl Metrics {
    /// Creates the metrics at zero and registers them.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let counters =
            |name, help, labels: &[&str]| registry.register(IntCounterVec::new(Opts::new(name, help), labels));
        let assignments = counters(
            "weir_assignments_total",
            "Clients assigned to an edge or an overflow target, by the client's protocol and the reason.",
            &["protocol", "reason"],
        );
        let refusals = counters(
            "weir_refusals_total",
            "Clients refused for lack of a usable destination, by the client's protocol and the reason.",
            &["protocol", "reason"],
        );
        Self {
            assignments: protocols()
                .map(|protocol| {
                    let counter = |reason: &Reason| assignments.with_label_values(&[protocol, reason.name()]);
                    Reason::ALL.iter().map(counter).collect()
                })
                .collect(),
            refusals: protocols()
                .map(|protocol| {
                    let counter = |refusal: &Refusal| refusals.with_label_values(&[protocol, refusal.name()]);
                    Refusal::ALL.iter().map(counter).collect()
                })
                .collect(),
            relay_connect_failures: counters(
                "weir_relay_connect_failures_total",
                "Failed attempts to connect to an edge in order to relay a client, by reason.",
                &["reason"],
            ),
            relay_sessions_closed: counters(
                "weir_relay_sessions_closed_total",
                "Relayed sessions closed by the balancer rather than by the client or the edge, by reason.",
                &["reason"],
            ),
            connections: registry
                .register(IntCounter::new("weir_client_connections_total", "Client connections accepted.")),
            open_connections: registry
                .register(IntGauge::new("weir_client_connections", "Client connections currently open.")),
            rejected_clients: counters(
                "weir_clients_rejected_total",
                "Clients rejected because they violated the protocol, a limit or a timeout, by protocol and reason.",
                &["protocol", "reason"],
            ),
            #[cfg(test)]
            registry: registry.clone(),
        }
    }

    /// Counts the outcome of a selection for a client of `protocol`; `None` if the protocol is not inspected.
    pub(crate) fn count_assignment(&self, protocol: Option<Protocol>, outcome: Result<Reason, Refusal>) {
        let (counters, index) = match outcome {
            Ok(reason) => (&self.assignments, reason as usize),
            Err(refusal) => (&self.refusals, refusal as usize),
        };
        let protocol = protocol.map_or(Protocol::ALL.len(), |protocol| protocol as usize);
        if let Some(counter) = counters.get(protocol).and_then(|by_reason| by_reason.get(index)) {
            counter.inc();
        }
    }

    /// Counts a rejected client. `protocol` is `unknown` before detection.
    pub(crate) fn reject_client(&self, protocol: &str, reason: &str) {
        self.rejected_clients.with_label_values(&[protocol, reason]).inc();
    }

    /// Counts a failed connection to an edge.
    pub(crate) fn relay_failed(&self, reason: &str) {
        self.relay_connect_failures.with_label_values(&[reason]).inc();
    }

    /// Counts a relayed session that the balancer closed.
    pub(crate) fn relay_closed(&self, reason: &str) {
        self.relay_sessions_closed.with_label_values(&[reason]).inc();
    }
}

/// The values of the `protocol` label of assignments, in the order of the counters.
fn protocols() -> impl Iterator<Item = &'static str> {
    Protocol::ALL.into_iter().map(Protocol::name).chain([TCP])
}

#[cfg(test)]
impl Metrics {
    /// All metrics in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.registry.text()
    }

    /// The number of clients rejected so far.
    pub(crate) fn rejected(&self, protocol: &str, reason: &str) -> u64 {
        self.rejected_clients.with_label_values(&[protocol, reason]).get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_and_refusals_are_counted_by_protocol_and_reason() {
        let metrics = Metrics::new(&Registry::default());
        for protocol in Protocol::ALL.into_iter().map(Some).chain([None]) {
            metrics.count_assignment(protocol, Ok(Reason::SpillZone));
            metrics.count_assignment(protocol, Err(Refusal::NoneAvailable));
            let name = protocol.map_or(TCP, Protocol::name);
            for line in [
                format!("weir_assignments_total{{protocol=\"{name}\",reason=\"spill-zone\"}} 1\n"),
                format!("weir_refusals_total{{protocol=\"{name}\",reason=\"refused-none-available\"}} 1\n"),
                format!("weir_refusals_total{{protocol=\"{name}\",reason=\"refused-no-edge\"}} 0\n"),
            ] {
                assert!(metrics.render().contains(&line), "{line}");
            }
        }
    }
}
