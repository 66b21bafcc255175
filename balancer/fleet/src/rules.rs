//! How edges are chosen: the policy, and what goes with it.

use std::time::Duration;

/// By what the edge for a client is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The lowest share of what the edge can carry: sessions, bandwidth, CPU and what else it reports.
    #[default]
    LeastUtilised,
    /// The fewest sessions for its weight.
    LeastConnections,
    /// The fewest outgoing bits per second for its weight.
    LeastBandwidth,
    /// One after the other, each as often as its weight says.
    RoundRobin,
    /// Any, as often as its capacity says.
    Random,
    /// The same for the same stream, or for the same client when no stream is named.
    Hash,
    /// As the Wowza Load Balancer AddOn: the fewest connections, with the hand-outs since its last report added.
    Wowza,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 7] = [
        Self::LeastUtilised,
        Self::LeastConnections,
        Self::LeastBandwidth,
        Self::RoundRobin,
        Self::Random,
        Self::Hash,
        Self::Wowza,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LeastUtilised => "least-utilised",
            Self::LeastConnections => "least-connections",
            Self::LeastBandwidth => "least-bandwidth",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::Hash => "hash",
            Self::Wowza => "wowza",
        }
    }

    /// Whether an edge is drawn as often as its capacity says, or as often as its weight alone.
    pub(super) fn draws_by_capacity(self) -> bool {
        matches!(self, Self::LeastUtilised | Self::Random)
    }
}

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
        self.affinity || self.policy == Policy::Hash
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
