//! The less utilised of two random edges, as last reported.

use weir_fleet::Time;
use weir_fleet::random::Random;
use weir_protocol::Report;

use crate::selection::algorithms::Picker;
use crate::selection::algorithms::reported::Reported;
use crate::selection::servers::Server;
use crate::selection::visits::Visit;

/// The number of draws before the client is refused. A draw fails only for a dead edge.
const DRAWS: usize = 100;

/// Draws edges with a probability proportional to their capacity.
pub(super) struct TwoChoices {
    edges: Vec<Option<Reported>>,
    /// The cumulative capacities.
    sums: Vec<f64>,
}

impl TwoChoices {
    pub(super) fn new(edges: usize) -> Self {
        Self { edges: vec![None; edges], sums: vec![0.0; edges] }
    }

    fn draw(&self, random: &mut Random, now: Time) -> Option<(usize, Reported)> {
        let all = self.sums.last()?;
        (0..DRAWS).find_map(|_| {
            let drawn = (random.number() >> 11) as f64 / (1_u64 << 53) as f64 * all;
            let edge = self.sums.partition_point(|sum| *sum <= drawn);
            let reported = self.edges.get(edge).copied().flatten()?;
            reported.is_alive(now).then_some((edge, reported))
        })
    }
}

impl Picker for TwoChoices {
    fn apply(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        let is_new = self.edges[edge].is_none();
        self.edges[edge] = Some(Reported::new(report, now));
        if is_new {
            let capacities = self.edges.iter().map(|edge| edge.map_or(0.0, |edge| edge.capacity));
            let mut sum = 0.0;
            self.sums = capacities
                .map(|capacity| {
                    sum += capacity;
                    sum
                })
                .collect();
        }
    }

    fn pick(&mut self, _visit: &Visit, _servers: &[Server], random: u64, now: Time) -> Option<usize> {
        let mut random = Random::new(random);
        let (one, other) = (self.draw(&mut random, now)?, self.draw(&mut random, now)?);
        Some(if other.1.utilisation < one.1.utilisation { other.0 } else { one.0 })
    }
}
