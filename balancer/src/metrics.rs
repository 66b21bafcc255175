//! What the balancer counts, for Prometheus.
//!
//! Counters on the path of a client are looked up once, at start, so that counting is one atomic addition.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use weir_protocol::Rejection;
use weir_protocol::key::KeyId;

use crate::fleet::{Protocol, Reason, Refusal, Snapshot, State, Time};
use crate::relayed::Figures;

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
    /// Clients that were given an edge, or a place elsewhere, by [`protocols`] and [`Reason::ALL`].
    hand_outs: Vec<Vec<IntCounter>>,
    /// Clients that were not, by [`protocols`] and [`Refusal::ALL`].
    refusals: Vec<Vec<IntCounter>>,
    /// Client connections accepted.
    pub connections: IntCounter,
    /// Client connections open.
    pub open_connections: IntGauge,
    /// Clients that were turned away for what they sent, or did not send or take in time, by `protocol` and `reason`.
    rejected_clients: IntCounterVec,
    /// Clients that are relayed; this and what follows is set when asked for.
    relayed_sessions: IntGauge,
    relayed_sessions_ever: IntCounter,
    /// By `direction`.
    relayed_bytes: IntCounterVec,
    /// Edges that could not be reached, by `reason`.
    relay_failures: IntCounterVec,
    /// Sessions that the balancer ended, by `reason`.
    relays_closed: IntCounterVec,
    /// Edges by state; set when asked for.
    edges: IntGaugeVec,
    /// Client connections of all edges that run; set when asked for.
    edge_connections: IntGauge,
    /// What corrects the forecast; set when asked for.
    kappa: Gauge,
    departure_rate: Gauge,
    /// The highest and the mean utilisation of the edges that take clients; set when asked for.
    utilisation: GaugeVec,
    /// Edges that are full; set when asked for.
    full_edges: IntGauge,
    /// Whether this balancer suspects that it is cut off; set when asked for.
    cut_off: IntGauge,
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
            hand_outs: protocols()
                .map(|protocol| {
                    let of = |reason: &Reason| hand_outs.with_label_values(&[protocol, reason.name()]);
                    Reason::ALL.iter().map(of).collect()
                })
                .collect(),
            refusals: protocols()
                .map(|protocol| {
                    let of = |refusal: &Refusal| refusals.with_label_values(&[protocol, refusal.name()]);
                    Refusal::ALL.iter().map(of).collect()
                })
                .collect(),
            relayed_sessions: register(
                &registry,
                IntGauge::new("weir_relayed_sessions", "Clients that are relayed to edges now."),
            ),
            relayed_sessions_ever: register(
                &registry,
                IntCounter::new("weir_relayed_sessions_total", "Clients that were to be relayed to an edge."),
            ),
            relayed_bytes: counters("weir_relayed_bytes_total", "Bytes that were relayed.", &["direction"]),
            relay_failures: counters(
                "weir_relay_failures_total",
                "Edges that could not be reached for a client that was to be relayed, by reason.",
                &["reason"],
            ),
            relays_closed: counters(
                "weir_relayed_sessions_closed_total",
                "Relayed sessions that were closed by the balancer, by reason.",
                &["reason"],
            ),
            connections: register(&registry, IntCounter::new("weir_connections_total", "Client connections accepted.")),
            open_connections: register(
                &registry,
                IntGauge::new("weir_connections_open", "Client connections open now."),
            ),
            rejected_clients: counters(
                "weir_clients_rejected_total",
                "Clients turned away for what they sent, or did not send or take in time, by protocol and reason.",
                &["protocol", "reason"],
            ),
            edges: register(&registry, IntGaugeVec::new(gauges, &["state"])),
            edge_connections: register(
                &registry,
                IntGauge::new("weir_edge_connections", "Client connections of all running edges, as they reported."),
            ),
            kappa: register(
                &registry,
                Gauge::new("weir_kappa", "Clients that arrive at edges for each that this balancer hands out."),
            ),
            departure_rate: register(
                &registry,
                Gauge::new("weir_departure_rate", "Share of the sessions that ends per second."),
            ),
            utilisation: register(
                &registry,
                GaugeVec::new(
                    Opts::new(
                        "weir_utilisation",
                        "Expected utilisation of the edges that take clients, for their weight.",
                    ),
                    &["of"],
                ),
            ),
            full_edges: register(&registry, IntGauge::new("weir_edges_full", "Edges that are at one of their limits.")),
            cut_off: register(
                &registry,
                IntGauge::new(
                    "weir_cut_off",
                    "1 while most edges have fallen silent at once and nothing arrives: the last state is kept.",
                ),
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

    /// Counts a client that asked for an edge, over none of the protocols if it is relayed unseen.
    pub fn count_choice(&self, protocol: Option<Protocol>, choice: Result<Reason, Refusal>) {
        let (counters, index) = match choice {
            Ok(reason) => (&self.hand_outs, reason as usize),
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
    pub fn reject_client(&self, protocol: &str, reason: &str) {
        self.rejected_clients.with_label_values(&[protocol, reason]).inc();
    }

    /// Clients turned away so far.
    #[cfg(test)]
    pub(crate) fn rejected(&self, protocol: &str, reason: &str) -> u64 {
        self.rejected_clients.with_label_values(&[protocol, reason]).get()
    }

    /// Counts an edge that could not be reached for a client that was to be relayed.
    pub fn relay_failed(&self, reason: &str) {
        self.relay_failures.with_label_values(&[reason]).inc();
    }

    /// Counts a relayed session that the balancer ended.
    pub fn relay_closed(&self, reason: &str) {
        self.relays_closed.with_label_values(&[reason]).inc();
    }

    /// Sets the figures of what was relayed, ever and everywhere.
    pub fn set_relayed(&self, total: Figures) {
        // Counters only grow; of two who ask at a time the later one may know less.
        let raise = |counter: &IntCounter, value: u64| counter.inc_by(value.saturating_sub(counter.get()));
        self.relayed_sessions.set(gauge(total.sessions));
        raise(&self.relayed_sessions_ever, total.sessions_ever);
        raise(&self.relayed_bytes.with_label_values(&["to_edge"]), total.bytes_to_edge);
        raise(&self.relayed_bytes.with_label_values(&["to_client"]), total.bytes_to_client);
    }

    /// These secrets are accepted from now on.
    pub fn set_keys(&self, keys: Vec<KeyId>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Sets the gauges of the fleet.
    pub fn set_fleet(&self, snapshot: &Snapshot, now: Time) {
        let outlook = snapshot.outlook(now);
        self.kappa.set(outlook.kappa.into());
        self.departure_rate.set(outlook.departure_rate.into());
        self.cut_off.set(outlook.is_cut_off().into());
        let expected: Vec<f64> = snapshot
            .edges
            .iter()
            .filter_map(|edge| edge.expect(&outlook).ok())
            .map(|expected| expected.utilisation.into())
            .collect();
        let mean = expected.iter().sum::<f64>() / (expected.len().max(1) as f64);
        self.utilisation.with_label_values(&["mean"]).set(mean);
        self.utilisation.with_label_values(&["highest"]).set(expected.into_iter().fold(0.0, f64::max));
        self.full_edges.set(gauge(snapshot.edges.iter().filter(|edge| edge.is_full()).count()));

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

/// How clients come in, in the order of the counters: over one of the protocols, or relayed unseen.
fn protocols() -> impl Iterator<Item = &'static str> {
    Protocol::ALL.into_iter().map(Protocol::name).chain(["tcp"])
}

fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[expect(clippy::expect_used, reason = "names are constants, each registered once; tests make them all")]
pub(crate) fn register<C>(registry: &Registry, collector: prometheus::Result<C>) -> C
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
        for protocol in Protocol::ALL.into_iter().map(Some).chain([None]) {
            metrics.count_choice(protocol, Ok(Reason::SpillZone));
            metrics.count_choice(protocol, Err(Refusal::NoneAvailable));
            let name = protocol.map_or("tcp", Protocol::name);
            for line in [
                format!("weir_handouts_total{{protocol=\"{name}\",reason=\"spill-zone\"}} 1\n"),
                format!("weir_refusals_total{{protocol=\"{name}\",reason=\"refused-none-available\"}} 1\n"),
                format!("weir_refusals_total{{protocol=\"{name}\",reason=\"refused-no-edge\"}} 0\n"),
            ] {
                assert!(metrics.render().contains(&line), "{line}");
            }
        }
    }
}
