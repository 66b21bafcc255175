//! The table that marks packets, in nf_tables (linux/netfilter/nf_tables.h). Needs Linux 5.6.
//!
//! | module         | what it holds                                                       |
//! |----------------|---------------------------------------------------------------------|
//! | [`batch`]      | transactions: the table anew, a few entries, or nothing left        |
//! | [`expression`] | what a rule does                                                    |
//! | [`element`]    | entries of the maps                                                 |
//! | [`reading`]    | what there is of the table                                          |
//! | [`others`]     | what others have that gets in its way                               |
//!
//! There is one table for both families, `inet weir`. It has a map for each, from address, protocol and ports to the mark:
//!
//! ```text
//! map marks4 { type ipv4_addr . inet_proto . inet_service : mark; flags interval; … }
//! ```
//!
//! and a rule for each at two hooks: where packets come in, before they are routed, and where the director's own go out.
//! A packet takes one look-up, however many services and ranges of ports there are. A mark is set whole, all 32 bits of
//! it. The director's own packets keep a mark that they have: a check goes by the mark of its socket.
//!
//! All changes are transactions. Where the table is as it should be, only entries change, so that the others are found at
//! every moment: between the moment when a transaction holds and the one when a new map is filled, Linux before 6.17 finds
//! nothing in it. Nor does it find an entry that takes the place of another. So meanwhile there is a second table, which has
//! what is new: when packets miss it in the one, they find it in the other.

pub mod batch;
pub mod element;
mod expression;
pub mod others;
pub mod reading;

use weir_program::netlink::Request;

use crate::model::Family;

/// The name of the table.
pub const TABLE: &str = "weir";
/// The name of the one that stands in for it while it changes; no other is ever named.
pub const BRIDGE: &str = "weir_bridge";
/// The priority at both hooks, that of iptables' `mangle`: behind connection tracking, ahead of routing and of IPVS.
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
    /// `NFT_TABLE_F_OWNER`: it is deleted when the socket that made it is closed.
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
    /// `NFT_SET_CONCAT`: a key is put together.
    pub(super) const CONCATENATION: u32 = 0x80;
    /// `NFT_SET_INTERVAL | NFT_SET_MAP`, and that.
    pub(super) const INTERVAL_MAP: u32 = 0x04 | 0x08 | CONCATENATION;
}

/// `NFTA_RULE_…`.
mod rule {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const EXPRESSIONS: u16 = 4;
    pub(super) const USER_DATA: u16 = 7;
    /// `NFTNL_UDATA_RULE_COMMENT`: the type of a comment in a rule's user data, as nft(8) writes it.
    pub(super) const COMMENT: u8 = 0;
}

/// A place where packets are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Where packets come in (`NF_INET_PRE_ROUTING`).
    Prerouting,
    /// Where the director's own go out (`NF_INET_LOCAL_OUT`).
    Output,
}

impl Hook {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Prerouting, Self::Output];

    /// The name of the chain there, and of the hook in nft(8).
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

/// The families that the table has a map for.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The name of a family's map.
#[must_use]
pub fn map(family: Family) -> &'static str {
    match family {
        Family::V4 => "marks4",
        Family::V6 => "marks6",
    }
}

/// The comment of a family's rules, by which they are known again. A rule never changes, it is replaced: who sees this
/// comment sees the rule that it was written with. Another form of the rules must have another comment.
#[must_use]
pub fn comment(family: Family) -> &'static str {
    match family {
        Family::V4 => "Weir services, IPv4, form 1",
        Family::V6 => "Weir services, IPv6, form 1",
    }
}

/// A request to nf_tables about a table of `inet`.
fn request(message: u16, flags: u16) -> Request {
    Request::new(SUBSYSTEM << 8 | message, flags).header(&header(INET, 0))
}

/// `struct nfgenmsg`.
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
