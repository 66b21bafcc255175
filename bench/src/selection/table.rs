//! The figures of all scenarios side by side.

use crate::selection::algorithms::Algorithm;
use crate::selection::scenario::Scenario;
use crate::selection::trace::{Figure, Trace};

/// One scenario and its results.
#[derive(Clone, Debug)]
pub struct Row {
    /// The scenario.
    pub scenario: Scenario,
    /// The result of each algorithm, in the order of [`Algorithm::ALL`].
    pub traces: Vec<Trace>,
}

impl Row {
    /// Returns the result of this algorithm.
    #[must_use]
    pub fn trace(&self, algorithm: Algorithm) -> Option<&Trace> {
        Algorithm::ALL.iter().position(|other| *other == algorithm).and_then(|index| self.traces.get(index))
    }

    /// Returns the relevant figures of this scenario, the most important first.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![Figure::Mean, Figure::Worst];
        let bounded = self.scenario.bounds.iter().map(|(figure, _)| *figure);
        figures.extend(bounded.filter(|figure| !matches!(figure, Figure::Mean | Figure::Worst)));
        if self.scenario.crowd.streams > 0 && !figures.contains(&Figure::Copies) {
            figures.push(Figure::Copies);
        }
        figures
    }

    /// Returns the bounds that Weir misses.
    #[must_use]
    pub fn missed(&self) -> Vec<(Figure, f64)> {
        let weir = self.trace(Algorithm::Weir);
        let missed = |(figure, bound): &(Figure, f64)| weir.is_some_and(|trace| trace.figure(*figure) > *bound);
        self.scenario.bounds.iter().copied().filter(missed).collect()
    }

    fn cells(&self) -> Vec<String> {
        let figures = self.figures();
        let traces = self.traces.iter().map(|trace| cell(&figures, |figure| Some(trace.figure(figure))));
        let bound = |figure| self.scenario.bounds.iter().find(|(other, _)| *other == figure).map(|(_, bound)| *bound);
        let bounds = cell(&figures, bound);
        let name = format!("{} {}", self.scenario.name, self.scenario.title);
        let verdict = if self.missed().is_empty() { String::new() } else { "MISSED".to_owned() };
        [name].into_iter().chain(traces).chain([bounds, verdict]).collect()
    }
}

/// Returns a table of all rows, for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let names = Algorithm::ALL.map(|algorithm| algorithm.name().to_owned());
    let head = ["scenario".to_owned()].into_iter().chain(names).chain(["at most".to_owned(), String::new()]).collect();
    let lines: Vec<Vec<String>> = [head].into_iter().chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let show = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    lines.iter().map(show).collect()
}

/// Returns the mean, the worst in parentheses, and the other figures.
fn cell(figures: &[Figure], value: impl Fn(Figure) -> Option<f64>) -> String {
    let shown = figures.iter().filter_map(|figure| {
        let shown = figure.show(value(*figure)?).to_string();
        Some(if *figure == Figure::Worst { format!("({shown})") } else { shown })
    });
    let cell = shown.collect::<Vec<_>>().join(" · ");
    cell.replace(" · (", " (")
}
