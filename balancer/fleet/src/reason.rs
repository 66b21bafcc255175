//! Reason codes in logs, metrics and responses: why a client got an edge, or none.

/// Why a client got this edge, or the overflow target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The policy chose it.
    Policy,
    /// The edge already has the client's stream.
    AffinityWarm,
    /// No edge has the stream, or those that have it are busier than the others: the first edge in the order of the
    /// stream.
    AffinityHash,
    /// The client's zone has no edge for the client, but another zone has.
    SpillZone,
    /// No edge accepts the client, which gets the configured overflow target.
    Overflow,
    /// Every edge is full, and the configuration prefers a full edge to none.
    BestEffort,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Policy, Self::AffinityWarm, Self::AffinityHash, Self::SpillZone, Self::Overflow, Self::BestEffort];

    /// Returns a stable name for metrics, logs and responses.
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

/// Why a client was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No edge is tracked.
    #[error("no edge has reported yet")]
    NoEdge,
    /// Every tracked edge is paused, draining, stopping, timed out, stale or disallowed.
    #[error("no edge is accepting clients")]
    NoneAvailable,
    /// Edges accept clients, but none of them serves the protocol.
    #[error("no edge serves this protocol")]
    ProtocolNotServed,
    /// Edges accept clients, but none in the client's zone or in a zone that it may spill to.
    #[error("no edge serves this zone")]
    ZoneNotServed,
    /// Every edge that could accept the client has reached a limit.
    #[error("every edge is full")]
    Full,
    /// The client was redirected from here and would return, or requests one URL too often.
    #[error("redirect loop")]
    Loop,
    /// The client had to be relayed, and none of the edges that were tried could be reached.
    #[error("no edge is reachable")]
    Unreachable,
    /// The client had to be relayed, and this balancer has reached its limit of relayed sessions, or has no file
    /// descriptor or port left.
    #[error("relay session limit reached")]
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

    /// Returns a stable name for metrics, logs and responses.
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

/// Why an edge is excluded from a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// The edge reports that it is paused.
    Paused,
    /// The edge reports that it is draining.
    Draining,
    /// The edge reports that it is shutting down.
    Stopping,
    /// The edge has been silent for longer than the timeout.
    TimedOut,
    /// The edge has been silent for more than four of its intervals.
    Stale,
    /// The edge names a host that clients may not be redirected to.
    Disallowed,
    /// The edge has reached a limit.
    Full,
    /// The edge does not serve the client's protocol.
    Protocol,
    /// The edge is in a zone that the client is not sent to.
    Zone,
}

impl Exclusion {
    /// Returns a stable name for the explanation of a choice.
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
