//! Edges that were unreachable a moment ago: they are skipped while others are available.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_fleet::Time;
use weir_protocol::EdgeId;

/// Maximum number of remembered edges, since every selection compares edges with all of them. If more are unreachable,
/// the network is to blame, and a few more failed attempts do not matter.
const MAX_EDGES: usize = 16;

/// Edges that were unreachable a moment ago.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    /// Whether there may be any: avoids taking the lock while there are none.
    any: AtomicBool,
    /// With the time of the latest failure, oldest first.
    edges: Mutex<Vec<(EdgeId, Time)>>,
}

impl Unreachable {
    /// Records that an edge was unreachable at `now`; returns whether it was not recorded before.
    pub(super) fn record(&self, edge: EdgeId, now: Time) -> bool {
        let mut edges = self.edges();
        let before = edges.len();
        edges.retain(|(known, _)| *known != edge);
        let is_new = edges.len() == before;
        if edges.len() == MAX_EDGES {
            edges.remove(0);
        }
        edges.push((edge, now));
        self.any.store(true, Ordering::Relaxed);
        is_new
    }

    /// The edges that were unreachable less than `max_age` ago.
    pub(super) fn recent(&self, max_age: Duration, now: Time) -> impl Iterator<Item = EdgeId> + use<> {
        let recent: Vec<EdgeId> = if self.any.load(Ordering::Relaxed) {
            let mut edges = self.edges();
            edges.retain(|(_, at)| now - *at < max_age);
            self.any.store(!edges.is_empty(), Ordering::Relaxed);
            edges.iter().map(|(edge, _)| *edge).collect()
        } else {
            Vec::new()
        };
        recent.into_iter()
    }

    fn edges(&self) -> MutexGuard<'_, Vec<(EdgeId, Time)>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{at, id};

    use super::*;

    #[test]
    fn an_edge_is_skipped_for_a_while_after_its_latest_failure() {
        let unreachable = Unreachable::default();
        let recent =
            |milliseconds| -> Vec<EdgeId> { unreachable.recent(Duration::from_secs(5), at(milliseconds)).collect() };
        assert_eq!(recent(0), []);
        assert!(unreachable.record(id(1), at(0)));
        assert!(unreachable.record(id(2), at(1000)));
        assert_eq!(recent(1000), [id(1), id(2)]);
        assert!(!unreachable.record(id(1), at(3000)), "recorded before");
        assert_eq!(recent(6000), [id(1)]);
        assert_eq!(recent(8000), []);
        assert!(unreachable.record(id(1), at(8000)), "forgotten in between");
        for edge in 0..=u8::MAX {
            unreachable.record(id(edge), at(9000));
        }
        assert_eq!(recent(9000).len(), MAX_EDGES);
    }
}
