//! The rule of the Wowza Load Balancer AddOn.

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::algorithms::reported::Reported;
use crate::selection::algorithms::{Picker, lowest};
use crate::selection::servers::Server;
use crate::selection::visits::Visit;

/// The fewest connections, plus own assignments since the edge's last report. Ignores capacities.
pub(super) struct Original {
    /// The last report of each edge, and the assignments since.
    edges: Vec<Option<(Reported, u64)>>,
}

impl Original {
    pub(super) fn new(edges: usize) -> Self {
        Self { edges: vec![None; edges] }
    }
}

impl Picker for Original {
    fn apply(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        self.edges[edge] = Some((Reported::new(report, now), 0));
    }

    fn pick(&mut self, _visit: &Visit, _servers: &[Server], random: u64, now: Time) -> Option<usize> {
        let alive = self.edges.iter().map(|edge| edge.filter(|(edge, _)| edge.is_alive(now)));
        let costs = alive.map(|edge| edge.map(|(edge, assignments)| (edge.connections + assignments) as f64));
        let chosen = lowest(costs, random)?;
        if let Some((_, assignments)) = &mut self.edges[chosen] {
            *assignments += 1;
        }
        Some(chosen)
    }
}
