//! Traffic relayed to an edge, counted by the fronts and shown by the administration.

use std::ops::AddAssign;

/// Counters of the traffic that is relayed to an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Open sessions, including those whose connection to the edge is being established.
    pub sessions: usize,
    /// Sessions opened since the start of the balancer.
    pub sessions_total: u64,
    /// Bytes relayed from clients to the edge.
    pub bytes_to_edge: u64,
    /// Bytes relayed from the edge to clients.
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
