//! The least utilised edge, as last reported.

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::algorithms::reported::Reported;
use crate::selection::algorithms::{Picker, lowest};
use crate::selection::servers::Server;
use crate::selection::visits::Visit;

pub(super) struct Raw {
    edges: Vec<Option<Reported>>,
}

impl Raw {
    pub(super) fn new(edges: usize) -> Self {
        Self { edges: vec![None; edges] }
    }
}

impl Picker for Raw {
    fn apply(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        self.edges[edge] = Some(Reported::new(report, now));
    }

    fn pick(&mut self, _visit: &Visit, _servers: &[Server], random: u64, now: Time) -> Option<usize> {
        let alive = self.edges.iter().map(|edge| edge.filter(|edge| edge.is_alive(now)));
        lowest(alive.map(|edge| Some(edge?.utilisation)), random)
    }
}
