//! A parser for the Prometheus text format.

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// The name of each sample, including its labels as text, and its value.
    samples: Vec<(String, f64)>,
}

impl Metrics {
    /// Parses a page; lines that are not samples are skipped.
    #[must_use]
    pub fn parse(page: &str) -> Self {
        let samples = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self { samples: samples.collect() }
    }

    /// Returns the sum of the samples with this name and all of these labels, or 0 if there is none: a counter that was
    /// never incremented may be absent.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let matching = self.samples.iter().filter(|(sample, _)| {
            let (sample_name, sample_labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let sample_labels: Vec<&str> = sample_labels.trim_end_matches('}').split(',').collect();
            sample_name == name && labels.iter().all(|label| sample_labels.contains(&label.as_str()))
        });
        matching.map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_name_and_labels() {
        let page = "# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\na{x=\"11\"} 100\nab 9\n";
        let metrics = Metrics::parse(page);
        assert_eq!(metrics.sum("a", &[("x", "1")]), 7.0);
        assert_eq!(metrics.sum("a", &[("x", "1"), ("y", "3")]), 4.0);
        assert_eq!(metrics.sum("ab", &[]), 9.0);
        assert_eq!(metrics.sum("c", &[]), 0.0);
    }
}
