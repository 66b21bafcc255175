//! What the balancer counts, for Prometheus.
//!
//! Counters on the path of a client are looked up once, at start, so that counting is one atomic addition.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use weir_protocol::Rejection;
use weir_protocol::key::KeyId;

use crate::fleet::selector::POLICY;
use crate::fleet::{Protocol, Refusal, State};

/// Every counter and gauge.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Reports that were believed.
    pub reports: IntCounter,
    /// Reports that were not, in the order of [`Rejection::ALL`].
    rejected_reports: Vec<IntCounter>,
    /// Acks sent.
    pub acks: IntCounter,
    /// Edges by the secret that they use; set when asked for.
    key_edges: IntGaugeVec,
    /// The secrets that are accepted: one that no edge uses must show as 0.
    keys: Mutex<Vec<KeyId>>,
    /// The largest difference between the clock of a running edge and this balancer's; set when asked for.
    clock_skew: Gauge,
    /// Clients that were given an edge, in the order of [`Protocol::ALL`].
    hand_outs: Vec<IntCounter>,
    /// Clients that were not, by [`Protocol::ALL`] and [`Refusal::ALL`].
    refusals: Vec<Vec<IntCounter>>,
    /// Client connections accepted.
    pub connections: IntCounter,
    /// Client connections open.
    pub open_connections: IntGauge,
    /// Clients that were turned away for what they sent or did not send, by `protocol` and `reason`.
    rejected_clients: IntCounterVec,
    /// Edges by state; set when asked for.
    edges: IntGaugeVec,
    /// Client connections of all edges that run; set when asked for.
    edge_connections: IntGauge,
}

impl Metrics {
    /// Metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let counters =
            |name, help, labels: &[&str]| register(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let rejected_reports = counters(
            "weir_reports_rejected_total",
            "Report datagrams that were not believed, by the check that failed.",
            &["reason"],
        );
        let hand_outs =
            counters("weir_handouts_total", "Clients given an edge, by protocol and reason.", &["protocol", "reason"]);
        let refusals = counters(
            "weir_refusals_total",
            "Clients that no edge could be given, by protocol and reason.",
            &["protocol", "reason"],
        );
        let gauges = Opts::new("weir_edges", "Known edges by state.");
        Self {
            reports: register(&registry, IntCounter::new("weir_reports_total", "Report datagrams that were believed.")),
            acks: register(&registry, IntCounter::new("weir_acks_total", "Reports that were answered.")),
            key_edges: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new("weir_key_edges", "Edges that report, by the id of the key that they use."),
                    &["key"],
                ),
            ),
            keys: Mutex::default(),
            clock_skew: register(
                &registry,
                Gauge::new(
                    "weir_clock_skew_seconds",
                    "Largest difference between the clock of a running edge and this balancer's.",
                ),
            ),
            rejected_reports: Rejection::ALL
                .iter()
                .map(|rejection| rejected_reports.with_label_values(&[rejection.reason()]))
                .collect(),
            hand_outs: Protocol::ALL
                .iter()
                .map(|protocol| hand_outs.with_label_values(&[protocol.name(), POLICY]))
                .collect(),
            refusals: Protocol::ALL
                .iter()
                .map(|protocol| {
                    let of = |refusal: &Refusal| refusals.with_label_values(&[protocol.name(), refusal.reason()]);
                    Refusal::ALL.iter().map(of).collect()
                })
                .collect(),
            connections: register(&registry, IntCounter::new("weir_connections_total", "Client connections accepted.")),
            open_connections: register(
                &registry,
                IntGauge::new("weir_connections_open", "Client connections open now."),
            ),
            rejected_clients: counters(
                "weir_clients_rejected_total",
                "Clients turned away for what they sent, or did not send in time, by protocol and reason.",
                &["protocol", "reason"],
            ),
            edges: register(&registry, IntGaugeVec::new(gauges, &["state"])),
            edge_connections: register(
                &registry,
                IntGauge::new("weir_edge_connections", "Client connections of all running edges, as they reported."),
            ),
            registry,
        }
    }

    /// Counts a report that was not believed.
    pub fn reject_report(&self, rejection: Rejection) {
        // The order of the vector is that of the enumeration, which is that of the checks.
        if let Some(counter) = self.rejected_reports.get(rejection as usize) {
            counter.inc();
        }
    }

    /// Counts a client that asked for an edge.
    pub fn count_choice(&self, protocol: Protocol, refusal: Option<Refusal>) {
        let index = protocol as usize;
        let counter = match refusal {
            None => self.hand_outs.get(index),
            Some(refusal) => self.refusals.get(index).and_then(|of_protocol| of_protocol.get(refusal as usize)),
        };
        if let Some(counter) = counter {
            counter.inc();
        }
    }

    /// Counts a client that was turned away. `protocol` is `unknown` while it is not.
    pub fn reject_client(&self, protocol: &str, reason: &str) {
        self.rejected_clients.with_label_values(&[protocol, reason]).inc();
    }

    /// These secrets are accepted from now on.
    pub fn set_keys(&self, keys: Vec<KeyId>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Sets the gauges of the fleet.
    pub fn set_fleet(&self, snapshot: &crate::fleet::Snapshot) {
        for state in State::ALL {
            self.edges.with_label_values(&[state.name()]).set(gauge(snapshot.count(state)));
        }
        let running = snapshot.edges.iter().filter(|edge| edge.state() == State::Running);
        let connections: u64 = running.filter_map(|edge| edge.connections()).fold(0, u64::saturating_add);
        self.edge_connections.set(gauge(connections));

        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.key_edges.reset();
        for key in known {
            self.key_edges.with_label_values(&[&key.to_string()]).set(0);
        }
        let gone = |state| matches!(state, State::TimedOut | State::Stopping);
        let heard = snapshot.edges.iter().filter(|edge| !gone(edge.state()));
        for edge in heard {
            self.key_edges.with_label_values(&[&edge.origin().key_id.to_string()]).inc();
        }
        let running = snapshot.edges.iter().filter(|edge| edge.state() == State::Running);
        let skew = running.map(|edge| edge.clock_skew_milliseconds().unsigned_abs()).max().unwrap_or(0);
        self.clock_skew.set(Duration::from_millis(skew).as_secs_f64());
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        // A family without a value is the only thing that this can fail on; it would show as an empty page.
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[expect(clippy::expect_used, reason = "names are constants of this file, each registered once; a test makes them all")]
fn register<C>(registry: &Registry, collector: prometheus::Result<C>) -> C
where
    C: prometheus::core::Collector + Clone + 'static,
{
    let collector = collector.expect("a valid name");
    registry.register(Box::new(collector.clone())).expect("a name of its own");
    collector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_counts_under_its_own_name() {
        let metrics = Metrics::new();
        for rejection in Rejection::ALL {
            metrics.reject_report(rejection);
            let line = format!("weir_reports_rejected_total{{reason=\"{}\"}} 1\n", rejection.reason());
            assert!(metrics.render().contains(&line), "{line}");
        }
        for protocol in Protocol::ALL {
            metrics.count_choice(protocol, None);
            metrics.count_choice(protocol, Some(Refusal::NoneAvailable));
            let name = protocol.name();
            for line in [
                format!("weir_handouts_total{{protocol=\"{name}\",reason=\"least-connections\"}} 1\n"),
                format!("weir_refusals_total{{protocol=\"{name}\",reason=\"refused-none-available\"}} 1\n"),
                format!("weir_refusals_total{{protocol=\"{name}\",reason=\"refused-no-edge\"}} 0\n"),
            ] {
                assert!(metrics.render().contains(&line), "{line}");
            }
        }
    }
}
