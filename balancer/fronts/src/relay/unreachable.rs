//! Edges that could not be reached a moment ago: clients are spared the wait while there are others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_fleet::Time;
use weir_protocol::EdgeId;

/// So many are remembered: each choice compares edges with all of them. With more out of reach it is the network, and a
/// few attempts more or less do not matter.
const MOST: usize = 16;

/// Edges that could not be reached a moment ago.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    /// Whether there may be any, so that nobody waits for the lock while there are none.
    any: AtomicBool,
    /// The longest ago first.
    edges: Mutex<Vec<(EdgeId, Time)>>,
}

impl Unreachable {
    /// The edge could not be reached at `now`; whether that is news.
    pub(super) fn note(&self, edge: EdgeId, now: Time) -> bool {
        let mut edges = self.edges();
        let before = edges.len();
        edges.retain(|(known, _)| *known != edge);
        let is_news = edges.len() == before;
        if edges.len() == MOST {
            edges.remove(0);
        }
        edges.push((edge, now));
        self.any.store(true, Ordering::Relaxed);
        is_news
    }

    /// Those that could not be reached for less than `memory` before `now`.
    pub(super) fn lately(&self, memory: Duration, now: Time) -> impl Iterator<Item = EdgeId> + use<> {
        let lately: Vec<EdgeId> = if self.any.load(Ordering::Relaxed) {
            let mut edges = self.edges();
            edges.retain(|(_, at)| now - *at < memory);
            self.any.store(!edges.is_empty(), Ordering::Relaxed);
            edges.iter().map(|(edge, _)| *edge).collect()
        } else {
            Vec::new()
        };
        lately.into_iter()
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
    fn an_edge_is_spared_for_a_while_after_it_last_failed() {
        let unreachable = Unreachable::default();
        let lately =
            |milliseconds| -> Vec<EdgeId> { unreachable.lately(Duration::from_secs(5), at(milliseconds)).collect() };
        assert_eq!(lately(0), []);
        assert!(unreachable.note(id(1), at(0)));
        assert!(unreachable.note(id(2), at(1000)));
        assert_eq!(lately(1000), [id(1), id(2)]);
        assert!(!unreachable.note(id(1), at(3000)), "known already");
        assert_eq!(lately(6000), [id(1)]);
        assert_eq!(lately(8000), []);
        assert!(unreachable.note(id(1), at(8000)), "anew");
        for edge in 0..=u8::MAX {
            unreachable.note(id(edge), at(9000));
        }
        assert_eq!(lately(9000).len(), MOST);
    }
}
