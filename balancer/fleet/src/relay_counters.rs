//! What is relayed to an edge: counted by the fronts, shown by the administration.

use std::ops::AddAssign;

/// What was relayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Sessions that are open now, those included whose edge is being connected to.
    pub sessions: usize,
    /// Sessions that were opened, ever.
    pub sessions_total: u64,
    /// Bytes that went from clients to the edge.
    pub bytes_to_edge: u64,
    /// Bytes that went from the edge to clients.
    pub bytes_to_client: u64,
}

impl AddAssign for RelayCounters {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.sessions_total += other.sessions_total;
        self.bytes_to_edge += other.bytes_to_edge;
        self.bytes_to_client += other.bytes_to_client;
    }
}
