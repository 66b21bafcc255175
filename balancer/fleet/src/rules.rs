//! Rules of selection: the policy, and the options beside it.

use std::time::Duration;

use crate::policy::{Cost, Policy};

/// What happens to a client when every edge is full and its protocol has no overflow target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The client is refused, and told when to retry.
    #[default]
    Refuse,
    /// The client gets the least utilised of the full edges.
    BestEffort,
}

/// How edges are selected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The policy.
    pub policy: Policy,
    /// Whether clients of a stream are sent to few edges, as far as the load stays balanced.
    pub affinity: bool,
    /// The time that a new edge takes to get its full share of clients.
    pub ramp: Duration,
    /// The share of all processors at which an edge is full: above 0, up to 1. `None` ignores CPU load.
    pub cpu_limit: Option<f32>,
    /// What happens to a client when every edge is full.
    pub when_full: WhenFull,
}

impl Rules {
    /// Returns whether choices depend on the order of edges for a stream.
    pub(super) fn needs_stream_order(&self) -> bool {
        self.affinity || self.policy.cost() == Cost::StreamOrder
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            affinity: false,
            ramp: Duration::from_secs(30),
            cpu_limit: None,
            when_full: WhenFull::default(),
        }
    }
}
