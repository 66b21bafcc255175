//! Weir beside others.

use crate::fronts::rounds::Series;
use crate::fronts::servers::weir;
use crate::outcome::Outcome;

/// What was measured of one server.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The server's name.
    pub(super) of: &'static str,
    pub(super) rounds: Series,
}

impl Figure {
    /// One without rounds so far.
    pub(super) fn of(server: &'static str) -> Self {
        Self { of: server, rounds: Series::default() }
    }

    /// Shows it.
    pub(super) fn outcome(&self, name: &str, unit: &'static str) -> Outcome {
        Outcome::of_rounds(&format!("{name}, {}", self.of), self.rounds.median(), self.rounds.spread(), unit, None)
    }

    /// Shows this as a multiple of another.
    pub(super) fn ratio(&self, name: &str, other: &Self, bound: Option<f64>) -> Outcome {
        let ratio = self.rounds.with(&other.rounds, |own, other| own / other);
        let name = format!("{name}, {} ÷ {}", self.of, other.of);
        Outcome::of_rounds(&name, ratio.median(), ratio.spread(), "ratio", bound)
    }
}

/// The one with the lowest figure.
pub(super) fn better(figures: &[Figure]) -> Option<&Figure> {
    figures.iter().min_by(|one, other| one.rounds.median().total_cmp(&other.rounds.median()))
}

/// Shows the figures of all, and Weir's as a multiple of the better of the others'. Without Weir's the bound is missed
/// for all to see.
pub(super) fn compare(name: &str, unit: &'static str, figures: &[Figure], bound: f64) -> Vec<Outcome> {
    let (weir, others): (Vec<Figure>, Vec<Figure>) =
        figures.iter().cloned().partition(|figure| figure.of == weir::NAME);
    let mut outcomes: Vec<Outcome> = figures.iter().map(|figure| figure.outcome(name, unit)).collect();
    let weir = weir.into_iter().next().unwrap_or(Figure::of(weir::NAME));
    outcomes.extend(better(&others).map(|other| weir.ratio(name, other, Some(bound))));
    outcomes
}
