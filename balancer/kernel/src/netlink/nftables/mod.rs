//! Weir's nf_tables table, which marks packets (linux/netfilter/nf_tables.h). It requires Linux 5.6.
//!
//! | module         | contents                                                             |
//! |----------------|----------------------------------------------------------------------|
//! | [`batch`]      | transactions that replace the table, change its entries or delete it |
//! | [`expression`] | expressions of the rules                                             |
//! | [`element`]    | elements of the maps                                                 |
//! | [`reader`]     | state of the table                                                   |
//! | [`foreign`]    | chains and rules of other programs that conflict with it             |
//!
//! The table `inet weir` serves both families. For each, it has a map from address, protocol and ports to the mark:
//!
//! ```text
//! map marks4 { type ipv4_addr . inet_proto . inet_service : mark; flags interval; … }
//! ```
//!
//! and a rule at each of two hooks: `prerouting`, where packets arrive, and `output`, where the director's own packets
//! leave. A packet takes one look-up, whatever the number of services and port ranges. The rule sets all 32 bits of the
//! mark. The director's own packets keep a mark that is already set: health checks set the mark on their socket.
//!
//! All changes are transactions. While the table is intact, only elements change, so that the others are found at all
//! times: after a transaction has been committed, Linux before 6.17 finds nothing in a new map until it is filled. Nor
//! does it find an element that replaces another. Therefore a second table has the new elements during such a change:
//! packets that find no element in one table find it in the other.

pub mod batch;
pub mod element;
mod expression;
pub mod foreign;
pub mod reader;

use weir_program::netlink::Request;

use crate::model::Family;

/// Name of the table.
pub const TABLE: &str = "weir";
/// Name of the second table, which exists only during changes. Weir uses no other names.
pub const BRIDGE: &str = "weir_bridge";
/// Priority at both hooks, that of iptables' `mangle`: after connection tracking, before routing and IPVS.
pub const PRIORITY: i32 = -150;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// `NFPROTO_INET`: IPv4 and IPv6.
const INET: u8 = 1;

/// `NFT_MSG_…`.
mod message {
    pub(super) const NEW_TABLE: u16 = 0;
    pub(super) const GET_TABLE: u16 = 1;
    pub(super) const DEL_TABLE: u16 = 2;
    pub(super) const NEW_CHAIN: u16 = 3;
    pub(super) const GET_CHAIN: u16 = 4;
    pub(super) const NEW_RULE: u16 = 6;
    pub(super) const GET_RULE: u16 = 7;
    pub(super) const NEW_SET: u16 = 9;
    pub(super) const GET_SET: u16 = 10;
    pub(super) const NEW_ELEMENTS: u16 = 12;
    pub(super) const GET_ELEMENTS: u16 = 13;
    pub(super) const DEL_ELEMENTS: u16 = 14;
}

/// `NFTA_TABLE_…`.
mod table {
    pub(super) const NAME: u16 = 1;
    pub(super) const FLAGS: u16 = 2;
    /// `NFT_TABLE_F_OWNER`: the table is deleted when the socket that created it is closed.
    pub(super) const OWNED: u32 = 2;
}

/// `NFTA_CHAIN_…` and `NFTA_HOOK_…`.
mod chain {
    pub(super) const TABLE: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const HOOK: u16 = 4;
    pub(super) const POLICY: u16 = 5;
    pub(super) const TYPE: u16 = 7;
    pub(super) const HOOK_NUMBER: u16 = 1;
    pub(super) const HOOK_PRIORITY: u16 = 2;
    /// `NF_ACCEPT`.
    pub(super) const ACCEPT: u32 = 1;
}

/// `NFTA_SET_…`.
mod set {
    pub(super) const TABLE: u16 = 1;
    pub(super) const NAME: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const KEY_TYPE: u16 = 4;
    pub(super) const KEY_LENGTH: u16 = 5;
    pub(super) const DATA_TYPE: u16 = 6;
    pub(super) const DATA_LENGTH: u16 = 7;
    pub(super) const DESCRIPTION: u16 = 9;
    pub(super) const ID: u16 = 10;
    pub(super) const USER_DATA: u16 = 13;
    /// `NFTA_SET_DESC_CONCAT`, `NFTA_LIST_ELEM`, `NFTA_SET_FIELD_LEN`.
    pub(super) const FIELDS: u16 = 2;
    pub(super) const FIELD: u16 = 1;
    pub(super) const FIELD_LENGTH: u16 = 1;
    /// `NFT_SET_CONCAT`: keys have several fields.
    pub(super) const CONCATENATION: u32 = 0x80;
    /// `NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_CONCAT`.
    pub(super) const INTERVAL_MAP: u32 = 0x04 | 0x08 | CONCATENATION;
}

/// `NFTA_RULE_…`.
mod rule {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const EXPRESSIONS: u16 = 4;
    pub(super) const USER_DATA: u16 = 7;
    /// `NFTNL_UDATA_RULE_COMMENT`: the type of a comment in a rule's user data, as written by nft(8).
    pub(super) const COMMENT: u8 = 0;
}

/// A netfilter hook at which packets are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Packets that arrive (`NF_INET_PRE_ROUTING`).
    Prerouting,
    /// The director's own packets (`NF_INET_LOCAL_OUT`).
    Output,
}

impl Hook {
    /// All hooks.
    pub const ALL: [Self; 2] = [Self::Prerouting, Self::Output];

    /// Name of the chain at the hook, and of the hook in nft(8).
    #[must_use]
    pub fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Output => "output",
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Output => 3,
        }
    }
}

/// The families for which the table has a map.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Name of a family's map.
#[must_use]
pub fn map(family: Family) -> &'static str {
    match family {
        Family::V4 => "marks4",
        Family::V6 => "marks6",
    }
}

/// Comment of a family's rules, by which they are recognised. Rules cannot be changed, only replaced, so a rule with
/// this comment is the rule that was created with it. When the form of the rules changes, the comment must change too.
#[must_use]
pub fn comment(family: Family) -> &'static str {
    match family {
        Family::V4 => "Weir services, IPv4, form 1",
        Family::V6 => "Weir services, IPv6, form 1",
    }
}

/// A request to nf_tables for family `inet`.
fn request(message: u16, flags: u16) -> Request {
    Request::new(SUBSYSTEM << 8 | message, flags).header(&header(INET, 0))
}

/// `struct nfgenmsg`.
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
