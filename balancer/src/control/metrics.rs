//! Metrics of the control thread, and of the fleet when they are scraped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, Opts};
use weir_fleet::{Snapshot, State, Time};
use weir_program::clock::Clock;
use weir_program::metrics::{Family, Registry};
use weir_protocol::Rejection;
use weir_protocol::key::KeyId;

/// Counters of the control thread.
#[derive(Debug)]
pub struct Metrics {
    /// Reports accepted.
    pub(super) reports: IntCounter,
    /// Reports rejected, in the order of [`Rejection::ALL`].
    rejected_reports: Vec<IntCounter>,
    /// Acks sent.
    pub(super) acks: IntCounter,
    keys: Keys,
}

/// The accepted keys. One that no edge uses must be exposed as 0.
type Keys = Arc<Mutex<Vec<KeyId>>>;

impl Metrics {
    /// Registers the counters of the control thread, and the metrics of the published fleet.
    #[must_use]
    pub fn new(registry: &Registry, fleet: Arc<ArcSwap<Snapshot>>, clock: Clock) -> Self {
        let rejected_reports = registry.register(IntCounterVec::new(
            Opts::new("weir_reports_rejected_total", "Total number of report datagrams rejected, by reason."),
            &["reason"],
        ));
        let counter = |rejection: &Rejection| rejected_reports.with_label_values(&[rejection.reason()]);
        let keys = Keys::default();
        registry.collect(FleetMetrics::new(fleet, clock, Arc::clone(&keys)));
        Self {
            reports: registry.register(IntCounter::new("weir_reports_total", "Total number of reports accepted.")),
            rejected_reports: Rejection::ALL.iter().map(counter).collect(),
            acks: registry.register(IntCounter::new("weir_acks_total", "Total number of acks sent.")),
            keys,
        }
    }

    /// Counts a rejected report.
    pub(super) fn reject_report(&self, rejection: Rejection) {
        // The vector is in the order of the enumeration.
        if let Some(counter) = self.rejected_reports.get(rejection as usize) {
            counter.inc();
        }
    }

    /// Sets the accepted keys.
    pub fn set_keys(&self, keys: Vec<KeyId>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

/// Metrics of the fleet, read when they are scraped.
#[derive(Debug)]
struct FleetMetrics {
    fleet: Arc<ArcSwap<Snapshot>>,
    clock: Clock,
    keys: Keys,
    edges: Family<1>,
    sessions: Family<0>,
    utilisation: Family<1>,
    full: Family<0>,
    arrival_ratio: Family<0>,
    session_end_rate: Family<0>,
    isolated: Family<0>,
    key_edges: Family<1>,
    clock_skew: Family<0>,
}

impl FleetMetrics {
    fn new(fleet: Arc<ArcSwap<Snapshot>>, clock: Clock, keys: Keys) -> Self {
        Self {
            fleet,
            clock,
            keys,
            edges: Family::gauge("weir_edges", "Number of edges by state.", ["state"]),
            sessions: Family::gauge(
                "weir_sessions",
                "Number of client connections of all running edges, as reported.",
                [],
            ),
            utilisation: Family::gauge(
                "weir_utilisation_ratio",
                "Forecast utilisation of the edges that accept clients, divided by their weight: mean and highest.",
                ["of"],
            ),
            full: Family::gauge("weir_edges_full", "Number of edges that have reached a limit.", []),
            arrival_ratio: Family::gauge(
                "weir_arrival_ratio",
                "Ratio of observed arrivals to this balancer's assignments.",
                [],
            ),
            session_end_rate: Family::gauge("weir_session_end_rate", "Share of the sessions that end per second.", []),
            isolated: Family::gauge(
                "weir_isolated",
                "Whether most edges fell silent at once and no reports arrive (1), so that their last state is kept, or not (0).",
                [],
            ),
            key_edges: Family::gauge(
                "weir_key_edges",
                "Number of reporting edges, by the id of the key that seals their reports.",
                ["key"],
            ),
            clock_skew: Family::gauge(
                "weir_clock_skew_seconds",
                "Largest difference between the clock of a running edge and that of this balancer.",
                [],
            ),
        }
    }

    /// Returns the number of reporting edges for each key id.
    fn edges_by_key(&self, snapshot: &Snapshot) -> BTreeMap<String, f64> {
        let accepted = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut edges: BTreeMap<_, _> = accepted.into_iter().map(|key| (key.to_string(), 0.0)).collect();
        let is_silent = |state| matches!(state, State::TimedOut | State::Stopping);
        for edge in snapshot.edges.iter().filter(|edge| !is_silent(edge.load.state())) {
            *edges.entry(edge.origin().key_id.to_string()).or_default() += 1.0;
        }
        edges
    }
}

impl Collector for FleetMetrics {
    fn desc(&self) -> Vec<&Desc> {
        vec![
            self.edges.desc(),
            self.sessions.desc(),
            self.utilisation.desc(),
            self.full.desc(),
            self.arrival_ratio.desc(),
            self.session_end_rate.desc(),
            self.isolated.desc(),
            self.key_edges.desc(),
            self.clock_skew.desc(),
        ]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.fleet.load();
        let forecast = snapshot.forecast(Time::after_origin(self.clock.elapsed()));
        let expected: Vec<f64> = snapshot
            .edges
            .iter()
            .filter_map(|edge| edge.load.expect(&forecast).ok())
            .map(|expected| expected.utilisation.into())
            .collect();
        let mean = expected.iter().sum::<f64>() / (expected.len().max(1) as f64);
        let highest = expected.into_iter().fold(0.0, f64::max);
        let running = || snapshot.edges.iter().filter(|edge| edge.load.state() == State::Running);
        let sessions = running().filter_map(|edge| edge.load.connections()).fold(0, u64::saturating_add);
        let skew = running().map(|edge| edge.load.clock_skew_milliseconds().unsigned_abs()).max().unwrap_or(0);
        let full = snapshot.edges.iter().filter(|edge| edge.load.is_full()).count();
        let keys = self.edges_by_key(&snapshot);
        vec![
            self.edges.with(State::ALL.map(|state| ([state.name()], snapshot.count(state) as f64))),
            self.sessions.with_value(sessions as f64),
            self.utilisation.with([(["mean"], mean), (["highest"], highest)]),
            self.full.with_value(full as f64),
            self.arrival_ratio.with_value(forecast.arrival_ratio.into()),
            self.session_end_rate.with_value(forecast.session_end_rate.into()),
            self.isolated.with_value(f64::from(u8::from(forecast.is_isolated()))),
            self.key_edges.with(keys.iter().map(|(key, edges)| ([key.as_str()], *edges))),
            self.clock_skew.with_value(Duration::from_millis(skew).as_secs_f64()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_is_counted_under_its_own_reason() {
        let registry = Registry::default();
        let metrics = Metrics::new(&registry, Arc::default(), Clock::start());
        for &rejection in Rejection::ALL {
            metrics.reject_report(rejection);
            let line = format!("weir_reports_rejected_total{{reason=\"{}\"}} 1\n", rejection.reason());
            let exposed = registry.text();
            assert!(exposed.contains(&line), "{line}");
        }
    }

    #[test]
    fn a_key_that_no_edge_uses_is_exposed_as_zero() {
        let registry = Registry::default();
        let metrics = Metrics::new(&registry, Arc::default(), Clock::start());
        metrics.set_keys(vec![KeyId([0xab; 4])]);
        let exposed = registry.text();
        assert!(exposed.contains("weir_key_edges{key=\"abababab\"} 0\n"), "{exposed}");
    }
}
