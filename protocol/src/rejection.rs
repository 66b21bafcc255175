//! Why a datagram is not believed.

/// Why a datagram is not believed; in the order of the checks, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Shorter than any report, or longer than 1200 bytes.
    #[error("the length is not that of a report")]
    Length,
    /// Not of this protocol.
    #[error("the magic number is wrong")]
    Magic,
    /// A version of the protocol that is not spoken here.
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
    /// Another key than it says, or changed on the way.
    #[error("the signature is wrong")]
    Signature,
    /// Seen before, or overtaken by a newer one.
    #[error("the counter did not grow")]
    Counter,
    /// The tag is wrong although the signature is right: a sender with a defect.
    #[error("the body does not decrypt")]
    Decryption,
    /// Decrypted, but no report.
    #[error("the body is not a report")]
    Body,
    /// A recording of an earlier start of the sender.
    #[error("the boot salt is not newer than the one known")]
    Boot,
    /// A second sender with the GUID of one that is still heard: a copied installation, or, for a few seconds, an agent
    /// that was killed and started again.
    #[error("another sender with this GUID is still heard")]
    Duplicate,
    /// The clock of an edge not met before is too far off.
    #[error("the clock of the edge is off by more than allowed")]
    Skew,
    /// As many edges as allowed are known already.
    #[error("too many edges")]
    Edges,
    /// The first report of an edge not met before: the second makes it known.
    #[error("an edge not met before is believed at its second report")]
    Unconfirmed,
}

impl Rejection {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 15] = [
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

    /// A stable name for metrics and logs.
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
    fn every_reason_has_a_name_of_its_own_and_stands_where_it_counts() {
        let mut names = Rejection::ALL.map(Rejection::reason).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rejection::ALL.len());
        assert!(Rejection::ALL.iter().enumerate().all(|(index, rejection)| *rejection as usize == index));
    }
}
