//! The sessions that are relayed, by their edge: how many there are, and how much they carry.
//!
//! Fronts open them, the administration shows them. They are not in the fleet: most edges are never relayed to, and what
//! is kept of each of 100,000 edges must stay small.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_protocol::EdgeId;

/// Every session that is relayed now.
#[derive(Debug)]
pub struct Relayed {
    /// Most sessions at a time.
    most: usize,
    open: AtomicUsize,
    /// What goes elsewhere than to an edge is under none.
    edges: Mutex<HashMap<Option<EdgeId>, Arc<OfEdge>>>,
}

/// The sessions of one edge.
#[derive(Debug, Default)]
struct OfEdge {
    sessions: AtomicUsize,
    to_edge: AtomicU64,
    to_client: AtomicU64,
}

/// One session, counted until it is dropped.
#[derive(Debug)]
pub struct Session {
    relayed: Arc<Relayed>,
    edge: Arc<OfEdge>,
}

impl Relayed {
    /// None, of which there may be `most` at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, open: AtomicUsize::new(0), edges: Mutex::default() }
    }

    /// Opens a session with an edge, or with a place elsewhere; nothing when there are as many as may be.
    #[must_use]
    pub fn open(self: &Arc<Self>, edge: Option<EdgeId>) -> Option<Session> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let edge = Arc::clone(self.edges().entry(edge).or_default());
        edge.sessions.fetch_add(1, Ordering::Relaxed);
        Some(Session { relayed: Arc::clone(self), edge })
    }

    fn edges(&self) -> MutexGuard<'_, HashMap<Option<EdgeId>, Arc<OfEdge>>> {
        // An entry is never half made.
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Counts bytes that went to the edge.
    pub fn count_to_edge(&self, bytes: u64) {
        self.edge.to_edge.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that went to the client.
    pub fn count_to_client(&self, bytes: u64) {
        self.edge.to_client.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.edge.sessions.fetch_sub(1, Ordering::Relaxed);
        self.relayed.open.fetch_sub(1, Ordering::Relaxed);
    }
}
