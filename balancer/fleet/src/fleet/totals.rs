//! Sums over all edges.

use crate::edge::Edge;

/// The highest average bandwidth of a session, in bits per second, that an edge can contribute to the fleet's average.
/// One edge that reports nonsense must not make all others look full.
const MAX_BITS_PER_SESSION: f64 = 100e6;

/// Sessions and outgoing bandwidth of all edges that report both.
#[derive(Debug, Default)]
pub(super) struct Totals {
    sessions: f64,
    bits_per_second: f64,
}

impl Totals {
    pub(super) fn add(&mut self, edge: &Edge) {
        self.change(edge, 1.0);
    }

    pub(super) fn remove(&mut self, edge: &Edge) {
        self.change(edge, -1.0);
    }

    fn change(&mut self, edge: &Edge, sign: f64) {
        if let (Some(sessions), Some(bits)) = (edge.load.connections(), edge.load.out_bits_per_second()) {
            let sessions = sessions as f64;
            self.sessions += sign * sessions;
            self.bits_per_second += sign * (bits as f64).min((sessions + 1.0) * MAX_BITS_PER_SESSION);
        }
    }

    /// Returns the average bandwidth of a session in the fleet, in bits per second; 0 when there is no session.
    pub(super) fn bits_per_session(&self) -> f32 {
        if self.sessions < 1.0 {
            return 0.0;
        }
        (self.bits_per_second / self.sessions).clamp(0.0, MAX_BITS_PER_SESSION) as f32
    }
}
