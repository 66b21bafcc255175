//! How edges are chosen: the policy, and what goes with it.

use std::time::Duration;

use crate::policy::{Cost, Policy};

/// What happens to a client when every edge is full, and there is no place elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused, and told when to come again.
    #[default]
    Refuse,
    /// It gets the least utilised of the full edges.
    BestEffort,
}

/// How edges are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// By what.
    pub policy: Policy,
    /// Whether clients of one stream are kept together as far as the load allows.
    pub affinity: bool,
    /// How long a new edge takes to get its full share.
    pub ramp: Duration,
    /// The share of all processors at which an edge is full, above 0 to 1. Without it CPU does not count.
    pub cpu_limit: Option<f32>,
    /// When every edge is full.
    pub when_full: WhenFull,
}

impl Rules {
    /// Whether edges stand in an order that is each stream's own.
    pub(super) fn needs_order(&self) -> bool {
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
