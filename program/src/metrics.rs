//! Metrics, each declared where it is counted.
//!
//! What happens is counted in metrics that are [registered](register) once. What is a state of something else is read when
//! it is scraped: a [`Collector`] owns a [`Family`] for each such metric.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, Result};

/// Registers a metric that was just made.
///
/// # Panics
/// When its name is not valid or is taken. Names are constants, so that a test that makes each metric once finds this.
#[expect(clippy::expect_used, reason = "see the documentation")]
pub fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: Result<C>) -> C {
    let metric = metric.expect("a valid name");
    registry.register(Box::new(metric.clone())).expect("a name of its own");
    metric
}

/// A metric whose values are read when it is scraped, with `N` labels.
#[derive(Debug)]
pub struct Family<const N: usize> {
    desc: Desc,
    kind: MetricType,
    /// By name, as the text format has them; and where each stands in the values of a sample.
    labels: [(&'static str, usize); N],
}

impl<const N: usize> Family<N> {
    /// A value that goes up and down.
    #[must_use]
    pub fn gauge(name: &str, help: &str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, MetricType::GAUGE, labels)
    }

    /// A value that only grows, but for a restart of what is counted. Its name ends in `_total`.
    #[must_use]
    pub fn counter(name: &str, help: &str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, MetricType::COUNTER, labels)
    }

    #[expect(clippy::expect_used, reason = "names are constants; a test that makes each once finds a wrong one")]
    fn new(name: &str, help: &str, kind: MetricType, labels: [&'static str; N]) -> Self {
        let names = labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), names, HashMap::new()).expect("valid names");
        let mut labels = std::array::from_fn(|place| (labels[place], place));
        labels.sort_unstable();
        Self { desc, kind, labels }
    }

    /// What a collector describes it by.
    #[must_use]
    pub fn desc(&self) -> &Desc {
        &self.desc
    }

    /// It with these values, each under the values of its labels in the order in which those were declared. Without any, it
    /// is not shown.
    pub fn with<'a>(&self, samples: impl IntoIterator<Item = ([&'a str; N], f64)>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(self.kind);
        family.set_metric(samples.into_iter().map(|(labels, value)| self.metric(labels, value)).collect());
        family
    }

    fn metric(&self, values: [&str; N], value: f64) -> Metric {
        let pair = |(name, place): &(&str, usize)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(values[*place].to_owned());
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
    /// It with this value.
    #[must_use]
    pub fn with_value(&self, value: f64) -> MetricFamily {
        self.with([([], value)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_shown_with_its_labels_by_name() {
        let edges = Family::gauge("weir_edges", "Known edges.", ["state", "of"]);
        let text = prometheus::TextEncoder::new();
        let shown = text.encode_to_string(&[edges.with([(["up", "all"], 3.0), (["down", "all"], 0.0)])]).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines,
            [
                "# HELP weir_edges Known edges.",
                "# TYPE weir_edges gauge",
                "weir_edges{of=\"all\",state=\"up\"} 3",
                "weir_edges{of=\"all\",state=\"down\"} 0",
            ]
        );
        let total = Family::counter("weir_things_total", "Things.", []).with_value(7.0);
        assert!(text.encode_to_string(&[total]).unwrap().ends_with("weir_things_total 7\n"));
    }
}
