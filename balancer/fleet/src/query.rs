//! The query that a choice answers.

use std::net::IpAddr;

use weir_protocol::EdgeId;

use crate::protocol::Protocol;
use crate::random::mix_wide;
use crate::zone_id::ZoneId;

/// A client that needs an edge.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelectionQuery<'a> {
    /// The protocol that the edge must serve. `None` when it is unknown: every edge is eligible then.
    pub protocol: Option<Protocol>,
    /// The client's zone. `None` when no zone is configured for its address: edges of all zones are eligible then.
    pub zone: Option<ZoneId>,
    /// A hash of the requested stream, as [`weir_protocol::stream`] computes it.
    pub stream: Option<u64>,
    /// A hash of the client's address, for [`Policy::Hash`](crate::Policy::Hash).
    pub client: u64,
    /// Edges that must not be chosen, because the client could not be sent there. A few at most: each candidate is
    /// compared with all of them.
    pub excluded: &'a [EdgeId],
}

impl SelectionQuery<'_> {
    /// Returns [`SelectionQuery::client`] for a client at this address.
    #[must_use]
    pub fn client_hash(address: IpAddr) -> u64 {
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        mix_wide(bits)
    }
}
