//! What the fronts count.
//!
//! Counters on the path of a client are looked up once, at start, so that counting is one atomic addition.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use weir_fleet::{Protocol, Reason, Refusal};
use weir_program::metrics::register;

/// Counters and gauges of the fronts.
#[derive(Debug)]
pub struct Metrics {
    /// Clients that were given an edge, or a place elsewhere, by [`protocols`] and [`Reason::ALL`].
    assignments: Vec<Vec<IntCounter>>,
    /// Clients that were not, by [`protocols`] and [`Refusal::ALL`].
    refusals: Vec<Vec<IntCounter>>,
    /// Client connections accepted.
    pub(crate) connections: IntCounter,
    /// Client connections open.
    pub(crate) open_connections: IntGauge,
    /// Clients that were turned away for what they sent, or did not send or take in time, by `protocol` and `reason`.
    rejected_clients: IntCounterVec,
    /// Edges that could not be reached, by `reason`.
    relay_failures: IntCounterVec,
    /// Sessions that the balancer ended, by `reason`.
    relays_closed: IntCounterVec,
    #[cfg(test)]
    registry: Registry,
}

impl Metrics {
    /// Metrics at zero, shown by `registry`.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let counters =
            |name, help, labels: &[&str]| register(registry, IntCounterVec::new(Opts::new(name, help), labels));
        let assignments = counters(
            "weir_assignments_total",
            "Clients given an edge, by protocol and reason.",
            &["protocol", "reason"],
        );
        let refusals = counters(
            "weir_refusals_total",
            "Clients that no edge could be given, by protocol and reason.",
            &["protocol", "reason"],
        );
        Self {
            assignments: protocols()
                .map(|protocol| {
                    let of = |reason: &Reason| assignments.with_label_values(&[protocol, reason.name()]);
                    Reason::ALL.iter().map(of).collect()
                })
                .collect(),
            refusals: protocols()
                .map(|protocol| {
                    let of = |refusal: &Refusal| refusals.with_label_values(&[protocol, refusal.name()]);
                    Refusal::ALL.iter().map(of).collect()
                })
                .collect(),
            relay_failures: counters(
                "weir_relay_connect_failures_total",
                "Edges that could not be reached for a client that was to be relayed, by reason.",
                &["reason"],
            ),
            relays_closed: counters(
                "weir_relay_sessions_closed_total",
                "RelaySessions sessions that were closed by the balancer, by reason.",
                &["reason"],
            ),
            connections: register(
                registry,
                IntCounter::new("weir_client_connections_total", "Client connections accepted."),
            ),
            open_connections: register(
                registry,
                IntGauge::new("weir_client_connections", "Client connections open now."),
            ),
            rejected_clients: counters(
                "weir_clients_rejected_total",
                "Clients turned away for what they sent, or did not send or take in time, by protocol and reason.",
                &["protocol", "reason"],
            ),
            #[cfg(test)]
            registry: registry.clone(),
        }
    }

    /// Counts a client that asked for an edge, over none of the protocols if it is relayed unseen.
    pub(crate) fn count_choice(&self, protocol: Option<Protocol>, choice: Result<Reason, Refusal>) {
        let (counters, index) = match choice {
            Ok(reason) => (&self.assignments, reason as usize),
            Err(refusal) => (&self.refusals, refusal as usize),
        };
        if let Some(counter) = counters
            .get(protocol.map_or(Protocol::ALL.len(), |protocol| protocol as usize))
            .and_then(|of_protocol| of_protocol.get(index))
        {
            counter.inc();
        }
    }

    /// Counts a client that was turned away. `protocol` is `unknown` while it is not.
    pub(crate) fn reject_client(&self, protocol: &str, reason: &str) {
        self.rejected_clients.with_label_values(&[protocol, reason]).inc();
    }

    /// Counts an edge that could not be reached for a client that was to be relayed.
    pub(crate) fn relay_failed(&self, reason: &str) {
        self.relay_failures.with_label_values(&[reason]).inc();
    }

    /// Counts a relayed session that the balancer ended.
    pub(crate) fn relay_closed(&self, reason: &str) {
        self.relays_closed.with_label_values(&[reason]).inc();
    }
}

/// How clients come in, in the order of the counters: over one of the protocols, or relayed unseen.
fn protocols() -> impl Iterator<Item = &'static str> {
    Protocol::ALL.into_iter().map(Protocol::name).chain(["tcp"])
}

#[cfg(test)]
impl Metrics {
    /// Everything in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }

    /// Clients turned away so far.
    pub(crate) fn rejected(&self, protocol: &str, reason: &str) -> u64 {
        self.rejected_clients.with_label_values(&[protocol, reason]).get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_counts_under_its_own_name() {
        let metrics = Metrics::new(&Registry::new());
        for protocol in Protocol::ALL.into_iter().map(Some).chain([None]) {
            metrics.count_choice(protocol, Ok(Reason::SpillZone));
            metrics.count_choice(protocol, Err(Refusal::NoneAvailable));
            let name = protocol.map_or("tcp", Protocol::name);
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
