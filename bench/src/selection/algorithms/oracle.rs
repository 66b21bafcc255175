//! The truly least utilised edge: a bound that no real balancer can reach.

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::algorithms::{Picker, lowest};
use crate::selection::servers::Server;
use crate::selection::visits::Visit;

/// Knows which clients are on their way to which edge, and which of them will arrive, but not when sessions end.
pub(super) struct Oracle;

impl Picker for Oracle {
    fn apply(&mut self, _edge: usize, _report: &Report<'_>, _now: Time) {}

    fn pick(&mut self, visit: &Visit, servers: &[Server], random: u64, _now: Time) -> Option<usize> {
        let load =
            |server: &Server| (server.load() + server.on_the_way + server.share_of(visit.bits_per_second)) as f64;
        let costs = servers.iter().map(|server| server.is_up.then(|| load(server) / server.capacity as f64));
        lowest(costs, random)
    }
}
