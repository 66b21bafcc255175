//! What a client asks the selector for.

use std::net::IpAddr;

use weir_protocol::EdgeId;

use crate::protocol::Protocol;
use crate::random::mix_wide;
use crate::zone_id::ZoneId;

/// What a client wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelectionQuery<'a> {
    /// What it will speak to the edge; any, when that is not known.
    pub protocol: Option<Protocol>,
    /// Where it is.
    pub zone: Option<ZoneId>,
    /// The stream that it names, hashed as [`weir_protocol::stream`] does.
    pub stream: Option<u64>,
    /// A hash of its address, for [`Policy::Hash`](crate::Policy::Hash).
    pub client: u64,
    /// Edges that it could not be brought to, and that are passed over now. Only a few: each edge is compared with all.
    pub not: &'a [EdgeId],
}

impl SelectionQuery<'_> {
    /// What [`SelectionQuery::client`] is for a client at this address.
    #[must_use]
    pub fn client_hash(address: IpAddr) -> u64 {
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        mix_wide(bits)
    }
}
