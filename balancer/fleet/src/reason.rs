//! Why a client got the edge that it got, or none: the codes that stand in logs, metrics and answers.

/// Why this edge, or this other place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policy chose it.
    Policy,
    /// It has the client's stream already.
    AffinityWarm,
    /// Nobody has the stream, or who has it is busier than the others: the first of the stream's own order of edges.
    AffinityHash,
    /// The client's zone has no edge for it; another zone has.
    SpillZone,
    /// No edge takes it: the configured place elsewhere.
    Overflow,
    /// Every edge is full, and the configuration says that full edges are better than none.
    BestEffort,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Policy, Self::AffinityWarm, Self::AffinityHash, Self::SpillZone, Self::Overflow, Self::BestEffort];

    /// A stable name for metrics, logs and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::AffinityWarm => "affinity-warm",
            Self::AffinityHash => "affinity-hash",
            Self::SpillZone => "spill-zone",
            Self::Overflow => "overflow",
            Self::BestEffort => "best-effort",
        }
    }
}

/// Why a client got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No edge is known.
    #[error("no edge has reported yet")]
    NoEdge,
    /// Every known edge is paused, draining, stopping, silent or not allowed.
    #[error("no edge takes clients now")]
    NoneAvailable,
    /// Edges take clients, but none of them in this protocol.
    #[error("no edge serves this protocol")]
    ProtocolNotServed,
    /// Edges take clients, but none in the client's zone, nor in a zone that it may spill to.
    #[error("no edge serves this zone")]
    ZoneNotServed,
    /// Every edge that could take the client is at its limits.
    #[error("every edge is full")]
    Full,
    /// The client has been here before, and would be again.
    #[error("redirected in a circle")]
    Loop,
    /// The client was to be relayed, and none of the edges that were tried could be reached.
    #[error("no edge could be reached")]
    Unreachable,
    /// The client was to be relayed, and this balancer relays as many as it may.
    #[error("as many clients are relayed as may be")]
    RelayFull,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 8] = [
        Self::NoEdge,
        Self::NoneAvailable,
        Self::ProtocolNotServed,
        Self::ZoneNotServed,
        Self::Full,
        Self::Loop,
        Self::Unreachable,
        Self::RelayFull,
    ];

    /// A stable name for metrics, logs and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEdge => "refused-no-edge",
            Self::NoneAvailable => "refused-none-available",
            Self::ProtocolNotServed => "refused-protocol-not-served",
            Self::ZoneNotServed => "refused-zone-not-served",
            Self::Full => "refused-full",
            Self::Loop => "refused-loop",
            Self::Unreachable => "refused-unreachable",
            Self::RelayFull => "refused-relay-full",
        }
    }
}

/// Why an edge is not considered for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It reports that it takes none.
    Paused,
    /// It reports that it is being emptied.
    Draining,
    /// It said goodbye.
    Stopping,
    /// It has been silent for longer than the timeout.
    TimedOut,
    /// It has been silent for more than four of its intervals.
    Stale,
    /// It names a host that clients may not be sent to.
    Disallowed,
    /// It is at one of its limits.
    Full,
    /// It does not serve the client's protocol.
    Protocol,
    /// It is in a zone that the client is not sent to.
    Zone,
}

impl Exclusion {
    /// A stable name for the explanation of a choice.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::TimedOut => "timed-out",
            Self::Stale => "stale",
            Self::Disallowed => "disallowed",
            Self::Full => "full",
            Self::Protocol => "protocol",
            Self::Zone => "zone",
        }
    }
}
