//! Comparison of Weir with the other servers.

use crate::fronts::rounds::Series;
use crate::fronts::servers::weir;
use crate::outcome::Outcome;

/// One figure of one server.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The name of the server.
    pub(super) of: &'static str,
    pub(super) rounds: Series,
}

impl Figure {
    /// Returns a figure without rounds.
    pub(super) fn of(server: &'static str) -> Self {
        Self { of: server, rounds: Series::default() }
    }

    /// Prints and returns the result.
    pub(super) fn outcome(&self, name: &str, unit: &'static str) -> Outcome {
        Outcome::of_rounds(&format!("{name}, {}", self.of), self.rounds.median(), self.rounds.spread(), unit, None)
    }

    /// Prints and returns the ratio to the figure of another server.
    pub(super) fn ratio(&self, name: &str, other: &Self, bound: Option<f64>) -> Outcome {
        let ratio = self.rounds.combined(&other.rounds, |this, other| this / other);
        let name = format!("{name}, {} ÷ {}", self.of, other.of);
        Outcome::of_rounds(&name, ratio.median(), ratio.spread(), "ratio", bound)
    }
}

/// Returns the lowest of the figures.
pub(super) fn lowest(figures: &[Figure]) -> Option<&Figure> {
    figures.iter().min_by(|one, other| one.rounds.median().total_cmp(&other.rounds.median()))
}

/// Prints and returns the figures of all servers, and the ratio of Weir's to the lowest of the others'. Without a
/// figure of Weir the bound is reported as missed.
pub(super) fn compare(name: &str, unit: &'static str, figures: &[Figure], bound: f64) -> Vec<Outcome> {
    let (weir, others): (Vec<Figure>, Vec<Figure>) =
        figures.iter().cloned().partition(|figure| figure.of == weir::NAME);
    let mut outcomes: Vec<Outcome> = figures.iter().map(|figure| figure.outcome(name, unit)).collect();
    let weir = weir.into_iter().next().unwrap_or(Figure::of(weir::NAME));
    outcomes.extend(lowest(&others).map(|other| weir.ratio(name, other, Some(bound))));
    outcomes
}
