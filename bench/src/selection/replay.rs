//! The model for visits that are given: what tests with real programs are compared with.

use std::time::Duration;

use weir_fleet::Time;

pub use crate::selection::trace::Mean;

use crate::selection::policies::Contender;
use crate::selection::scenario::{Scenario, equal};
use crate::selection::trace::Figure;
use crate::selection::visits::Visit;
use crate::selection::world;

/// A fleet that begins empty, and what is measured of it.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    /// Sessions that each edge can carry, as its agent reports.
    pub capacities: &'a [u64],
    /// How many balancers there are; visits name them from 0.
    pub balancers: usize,
    /// The time between two reports.
    pub interval: Duration,
    /// From when on it is measured, since the first visit could have been …
    pub from: Duration,
    /// … and until when.
    pub to: Duration,
    /// What the highest load is compared with.
    pub mean: Mean,
}

/// How uneven it was: the highest load ÷ the mean load, where load is sessions ÷ capacity. 1 is even.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imbalance {
    /// Over all samples, one every 100 ms.
    pub mean: f64,
    /// Of any sample.
    pub worst: f64,
}

impl Replay<'_> {
    /// What comes of these visits, in order of time, when Weir chooses. `seed` is the luck of balancers and reports.
    /// No report is lost.
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
        let trace = world::run(&scenario, visits.into_iter(), Contender::Weir, seed);
        Imbalance { mean: trace.figure(Figure::Mean), worst: trace.figure(Figure::Worst) }
    }
}
