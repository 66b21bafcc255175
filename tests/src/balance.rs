//! Measures over time how evenly sessions are balanced over edges of unequal capacity. Pure.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use weir_bench::selection::Imbalance;

/// A time series of the sessions on each edge.
#[derive(Debug)]
pub struct Series {
    capacities: Vec<u64>,
    /// In chronological order.
    samples: Vec<Sample>,
    /// Sessions in the last sample.
    last: Vec<u64>,
}

/// A snapshot of all edges.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    sessions: u64,
    /// See [`max_over_mean`].
    imbalance: f64,
}

impl Series {
    /// Creates an empty series for edges with these capacities. Samples use the same order.
    #[must_use]
    pub fn of(capacities: &[u64]) -> Self {
        Self { capacities: capacities.to_owned(), samples: Vec::new(), last: vec![0; capacities.len()] }
    }

    /// Adds a sample. `at` is the time since the first client could have arrived.
    pub fn add(&mut self, at: Duration, sessions: Vec<u64>) {
        let imbalance = max_over_mean(&loads(&sessions, &self.capacities));
        self.samples.push(Sample { at, sessions: sessions.iter().sum(), imbalance });
        self.last = sessions;
    }

    /// Returns the imbalance between two times.
    ///
    /// # Panics
    /// If there is no sample between them.
    #[must_use]
    pub fn imbalance(&self, from: Duration, to: Duration) -> Imbalance {
        let within = self.samples.iter().filter(|sample| (from..to).contains(&sample.at));
        let (count, sum, worst) = within.fold((0_u32, 0.0, 0.0_f64), |(count, sum, worst), sample| {
            (count + 1, sum + sample.imbalance, worst.max(sample.imbalance))
        });
        assert!(count > 0, "no sample between {from:?} and {to:?}");
        Imbalance { mean: sum / f64::from(count), worst }
    }

    /// Returns the peak number of sessions.
    #[must_use]
    pub fn peak_sessions(&self) -> u64 {
        self.samples.iter().map(|sample| sample.sessions).max().unwrap_or(0)
    }
}

/// Renders a table for diagnosis.
impl Display for Series {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "     time   sessions   max ÷ mean: mean    worst")?;
        for window in self.samples.chunk_by(|one, other| second(one.at) / WINDOW == second(other.at) / WINDOW) {
            let first = second(window[0].at) / WINDOW * WINDOW;
            let Imbalance { mean, worst } =
                self.imbalance(Duration::from_secs(first), Duration::from_secs(first + WINDOW));
            let sessions = window[window.len() - 1].sessions;
            writeln!(f, "{first:>3}–{:>2} s {sessions:>10} {mean:>18.3} {worst:>8.3}", first + WINDOW)?;
        }
        writeln!(f, "at the end:\n     edge   capacity   sessions     load ÷ mean")?;
        let loads = loads(&self.last, &self.capacities);
        let mean = mean(&loads);
        for (edge, load) in loads.iter().enumerate() {
            let (capacity, sessions) = (self.capacities[edge], self.last[edge]);
            writeln!(f, "{:>9} {capacity:>10} {sessions:>10} {:>15.3}", edge + 1, load / mean)?;
        }
        Ok(())
    }
}

/// Seconds per table line.
const WINDOW: u64 = 5;

fn second(at: Duration) -> u64 {
    at.as_secs()
}

fn loads(sessions: &[u64], capacities: &[u64]) -> Vec<f64> {
    sessions.iter().zip(capacities).map(|(sessions, capacity)| *sessions as f64 / *capacity as f64).collect()
}

fn mean(loads: &[f64]) -> f64 {
    loads.iter().sum::<f64>() / loads.len() as f64
}

/// Returns the maximum divided by the mean, or 1 if there is no load.
fn max_over_mean(loads: &[f64]) -> f64 {
    let highest = loads.iter().copied().fold(0.0, f64::max);
    if highest > 0.0 { highest / mean(loads) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn series() -> Series {
        let mut series = Series::of(&[10, 40]);
        series.add(at(0), vec![0, 0]);
        series.add(at(3), vec![1, 4]);
        series.add(at(5), vec![3, 4]);
        series.add(at(9), vec![2, 12]);
        series
    }

    #[test]
    fn load_is_relative_to_capacity_and_only_samples_in_the_range_count() {
        assert_eq!(series().imbalance(at(0), at(5)), Imbalance { mean: 1.0, worst: 1.0 });
        // 0.3 and 0.1; 0.2 and 0.3.
        let later = series().imbalance(at(5), at(10));
        assert!((later.worst - 1.5).abs() < 1e-9 && (later.mean - 1.35).abs() < 1e-9, "{later:?}");
        assert_eq!(series().peak_sessions(), 14);
    }

    #[test]
    fn the_table_has_one_line_per_window_and_per_edge() {
        assert_eq!(
            series().to_string(),
            "     time   sessions   max ÷ mean: mean    worst\n\
             \x20 0– 5 s          5              1.000    1.000\n\
             \x20 5–10 s         14              1.350    1.500\n\
             at the end:\n\
             \x20    edge   capacity   sessions     load ÷ mean\n\
             \x20       1         10          2           0.800\n\
             \x20       2         40         12           1.200\n"
        );
    }
}
