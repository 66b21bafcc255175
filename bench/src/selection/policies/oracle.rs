//! The least utilised edge as it really is: a bound for what can be reached, since nobody can know that.

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::policies::{Policy, least};
use crate::selection::servers::Server;
use crate::selection::visits::Visit;

/// It knows who is on the way to where, and which of them will arrive, but not who leaves when.
pub(super) struct Oracle;

impl Policy for Oracle {
    fn hear(&mut self, _edge: usize, _report: &Report<'_>, _now: Time) {}

    fn pick(&mut self, visit: &Visit, servers: &[Server], random: u64, _now: Time) -> Option<usize> {
        let load =
            |server: &Server| (server.load() + server.on_the_way + server.share_of(visit.bits_per_second)) as f64;
        let costs = servers.iter().map(|server| server.is_up.then(|| load(server) / server.capacity as f64));
        least(costs, random)
    }
}
