//! The reasons for which a datagram is rejected.

/// The reason for which a datagram is rejected, in the order of the checks, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Shorter than any report, or longer than 1200 bytes.
    #[error("the length is not that of a report")]
    Length,
    /// Not of this protocol.
    #[error("the magic number is wrong")]
    Magic,
    /// An unsupported version of the protocol.
    #[error("the version is not 1")]
    Version,
    /// Not a report.
    #[error("the kind is not that of a report")]
    Kind,
    /// The balancer holds no secret with this id.
    #[error("the key id is unknown")]
    KeyId,
    /// More unknown salts than [`SaltLimits`](crate::receiver::SaltLimits) allow.
    #[error("too many unknown salts")]
    Rate,
    /// Sealed with another key, or changed in transit.
    #[error("the signature is wrong")]
    Signature,
    /// Received before, or overtaken by a later datagram.
    #[error("the counter did not increase")]
    Counter,
    /// The tag is wrong although the signature is right: a defect of the sender.
    #[error("the body does not decrypt")]
    Decryption,
    /// Decrypted, but not a report.
    #[error("the body is not a report")]
    Body,
    /// A replay from an earlier start of the sender.
    #[error("the boot time is not later than that of the current sender")]
    Boot,
    /// A second sender with the GUID of one that is still active: a cloned installation or, for a few seconds, an agent
    /// that was killed and restarted.
    #[error("another sender with this GUID is still active")]
    Duplicate,
    /// A new edge whose clock is off by more than [`Limits::max_clock_skew`](crate::receiver::Limits::max_clock_skew).
    #[error("the clock of the edge is off by more than allowed")]
    Skew,
    /// A new edge beyond [`Limits::max_edges`](crate::receiver::Limits::max_edges).
    #[error("too many edges")]
    Edges,
    /// The first report of a new edge, which is accepted at its second.
    #[error("a new edge is accepted at its second report")]
    Unconfirmed,
}

impl Rejection {
    /// Every reason, in the order of the checks.
    pub const ALL: &[Self] = &[
        Self::Length,
        Self::Magic,
        Self::Version,
        Self::Kind,
        Self::KeyId,
        Self::Rate,
        Self::Signature,
        Self::Counter,
        Self::Decryption,
        Self::Body,
        Self::Boot,
        Self::Duplicate,
        Self::Skew,
        Self::Edges,
        Self::Unconfirmed,
    ];

    /// A stable name, for metrics and logs.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Magic => "magic",
            Self::Version => "version",
            Self::Kind => "kind",
            Self::KeyId => "key-id",
            Self::Rate => "rate",
            Self::Signature => "signature",
            Self::Counter => "counter",
            Self::Decryption => "decryption",
            Self::Body => "body",
            Self::Boot => "boot",
            Self::Duplicate => "duplicate",
            Self::Skew => "skew",
            Self::Edges => "edges",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_name_and_its_position_in_the_order() {
        let mut names: Vec<_> = Rejection::ALL.iter().map(|rejection| rejection.reason()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rejection::ALL.len());
        assert!(Rejection::ALL.iter().enumerate().all(|(index, rejection)| *rejection as usize == index));
    }
}
