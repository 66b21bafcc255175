//! Reads Prometheus' text format.

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Each sample's name with its labels as they were written, and its value.
    samples: Vec<(String, f64)>,
}

impl Metrics {
    /// Reads a page; lines that are no samples are passed over.
    #[must_use]
    pub fn parse(page: &str) -> Self {
        let samples = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self { samples: samples.collect() }
    }

    /// The sum of the samples that have this name and all of these labels; 0 when there is none, since a counter that
    /// never counted may be absent.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let wanted = self.samples.iter().filter(|(sample, _)| {
            let (own_name, own_labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let own_labels: Vec<&str> = own_labels.trim_end_matches('}').split(',').collect();
            own_name == name && labels.iter().all(|label| own_labels.contains(&label.as_str()))
        });
        wanted.map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_label() {
        let page = "# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\na{x=\"11\"} 100\nab 9\n";
        let metrics = Metrics::parse(page);
        assert_eq!(metrics.sum("a", &[("x", "1")]), 7.0);
        assert_eq!(metrics.sum("a", &[("x", "1"), ("y", "3")]), 4.0);
        assert_eq!(metrics.sum("ab", &[]), 9.0);
        assert_eq!(metrics.sum("c", &[]), 0.0);
    }
}
