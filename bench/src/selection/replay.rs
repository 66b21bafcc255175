//! The simulation of given visits, for comparison with tests of the real programs.

use std::time::Duration;

use weir_fleet::Time;

pub use crate::selection::trace::Mean;

use crate::selection::algorithms::Algorithm;
use crate::selection::scenario::{Scenario, equal};
use crate::selection::trace::Figure;
use crate::selection::visits::Visit;
use crate::selection::world;

/// A fleet that is empty at first, and the period of the measurement.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    /// The capacity of each edge in sessions, as its agent reports it.
    pub capacities: &'a [u64],
    /// The number of balancers. Visits number them from 0.
    pub balancers: usize,
    /// The reporting interval of the edges.
    pub interval: Duration,
    /// The start of the measurement, relative to the beginning.
    pub from: Duration,
    /// The end of the measurement, relative to the beginning.
    pub to: Duration,
    /// The mean with which the highest load is compared.
    pub mean: Mean,
}

/// The imbalance: the highest load ÷ the mean load, where load is sessions ÷ capacity. 1 is even.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imbalance {
    /// The mean over all samples, one every 100 ms.
    pub mean: f64,
    /// The highest value of any sample.
    pub worst: f64,
}

impl Replay<'_> {
    /// Simulates these visits, in order of time, with Weir. `seed` determines the random numbers of balancers and
    /// reports. No report is lost.
    #[must_use]
    pub fn run(&self, visits: impl IntoIterator<Item = Visit>, seed: u64) -> Imbalance {
        let common = Scenario::default();
        let mut crowd = common.crowd.clone();
        crowd.shares = equal(self.balancers);
        let scenario = Scenario {
            capacities: self.capacities.to_vec(),
            crowd,
            interval: self.interval,
            loss: 0.0,
            measured_from: Time::after_origin(self.from),
            end: Time::after_origin(self.to),
            mean: self.mean,
            ..common
        };
        let trace = world::run(&scenario, visits.into_iter(), Algorithm::Weir, seed);
        Imbalance { mean: trace.figure(Figure::Mean), worst: trace.figure(Figure::Worst) }
    }
}
