//! Metrics, each declared by the code that counts it.
//!
//! Events are counted in metrics that are [registered](Registry::register) once. Values that exist anyhow, such as the
//! state of the fleet, are read when they are scraped: a [`Collector`] owns a [`Family`] for each of these metrics.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Result, TextEncoder};

pub use prometheus::TEXT_FORMAT;

/// The metrics of a program. Clones share their metrics.
///
/// Unlike [`prometheus::Registry`], it can list metrics that have no samples yet, so that documentation can be compared
/// with it.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    exposed: prometheus::Registry,
    labels: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
}

impl Registry {
    /// Registers a new metric.
    ///
    /// # Panics
    /// When its name is invalid or taken. Names are constants, so a test that creates each metric once finds this.
    #[expect(clippy::expect_used, reason = "see the documentation")]
    pub fn register<C: Collector + Clone + 'static>(&self, metric: Result<C>) -> C {
        let metric = metric.expect("a valid name");
        self.collect(metric.clone());
        metric
    }

    /// Registers a collector of metrics.
    ///
    /// # Panics
    /// As [`Registry::register`].
    #[expect(clippy::expect_used, reason = "see the documentation")]
    pub fn collect(&self, collector: impl Collector + 'static) {
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        for desc in collector.desc() {
            labels.insert(desc.fq_name.clone(), desc.variable_labels.iter().cloned().collect());
        }
        drop(labels);
        self.exposed.register(Box::new(collector)).expect("a unique name");
    }

    /// Returns the label names of every metric, by the name of the metric.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns all samples in Prometheus' text format, whose media type is [`TEXT_FORMAT`].
    #[must_use]
    pub fn text(&self) -> String {
        // Encoding fails only for a metric without samples, which is not gathered.
        TextEncoder::new().encode_to_string(&self.exposed.gather()).unwrap_or_default()
    }
}

/// A metric with `N` labels whose values are read when it is scraped.
#[derive(Debug)]
pub struct Family<const N: usize> {
    desc: Desc,
    kind: MetricType,
    /// Sorted by name, as in the text format, with the index of each in the values of a sample.
    labels: [(&'static str, usize); N],
}

impl<const N: usize> Family<N> {
    /// Declares a gauge: a value that goes up and down.
    #[must_use]
    pub fn gauge(name: &str, help: &str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, MetricType::GAUGE, labels)
    }

    /// Declares a counter: a value that only grows until its source restarts. Its name ends in `_total`.
    #[must_use]
    pub fn counter(name: &str, help: &str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, MetricType::COUNTER, labels)
    }

    #[expect(clippy::expect_used, reason = "names are constants; a test that creates each metric once finds this")]
    fn new(name: &str, help: &str, kind: MetricType, labels: [&'static str; N]) -> Self {
        let names = labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), names, HashMap::new()).expect("valid names");
        let mut labels = std::array::from_fn(|index| (labels[index], index));
        labels.sort_unstable();
        Self { desc, kind, labels }
    }

    /// Returns the description, for [`Collector::desc`].
    #[must_use]
    pub fn desc(&self) -> &Desc {
        &self.desc
    }

    /// Returns the metric with these samples: label values, in the order in which the labels were declared, and a value.
    /// Without samples the metric is not exposed.
    pub fn with<'a>(&self, samples: impl IntoIterator<Item = ([&'a str; N], f64)>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(self.kind);
        family.set_metric(samples.into_iter().map(|(labels, value)| self.metric(labels, value)).collect());
        family
    }

    fn metric(&self, values: [&str; N], value: f64) -> Metric {
        let pair = |(name, index): &(&str, usize)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(values[*index].to_owned());
            pair
        };
        let mut metric = Metric::from_label(self.labels.iter().map(pair).collect());
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }
}

impl Family<0> {
    /// Returns the metric with this value.
    #[must_use]
    pub fn with_value(&self, value: f64) -> MetricFamily {
        self.with([([], value)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_exposed_sorted_by_name() {
        let edges = Family::gauge("weir_edges", "Number of edges.", ["state", "of"]);
        let text = prometheus::TextEncoder::new();
        let exposed = text.encode_to_string(&[edges.with([(["up", "all"], 3.0), (["down", "all"], 0.0)])]).unwrap();
        let lines: Vec<&str> = exposed.lines().collect();
        assert_eq!(
            lines,
            [
                "# HELP weir_edges Number of edges.",
                "# TYPE weir_edges gauge",
                "weir_edges{of=\"all\",state=\"up\"} 3",
                "weir_edges{of=\"all\",state=\"down\"} 0",
            ]
        );
        let total = Family::counter("weir_things_total", "Things.", []).with_value(7.0);
        assert!(text.encode_to_string(&[total]).unwrap().ends_with("weir_things_total 7\n"));
    }
}
