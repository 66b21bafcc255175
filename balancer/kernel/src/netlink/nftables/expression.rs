//! Expressions of the rules. A register holds 4 bytes; the fields of a key are in consecutive registers.

use weir_program::netlink::Request;

use super::{Hook, element, map};
use crate::model::Family;

/// `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`, `NFTA_DATA_VALUE`.
pub(super) const LIST_ELEMENT: u16 = 1;
pub(super) const NAME: u16 = 1;
pub(super) const DATA: u16 = 2;
const DATA_VALUE: u16 = 1;

/// `NFT_REG32_00`.
const FIRST_REGISTER: u32 = 8;

/// `NFTA_META_DREG`, `NFTA_META_KEY`, `NFTA_META_SREG`.
const META_DESTINATION: u16 = 1;
pub(super) const META_KEY: u16 = 2;
pub(super) const META_SOURCE: u16 = 3;
/// `NFT_META_…`.
pub(super) const MARK: u32 = 3;
const NETWORK_PROTOCOL: u32 = 15;
const TRANSPORT_PROTOCOL: u32 = 16;
/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// Appends the expressions of a family's rule at a hook. In nft(8)'s syntax, for IPv4 at `output`:
/// `meta mark 0 meta mark set ip daddr . meta l4proto . th dport map @marks4`.
pub(super) fn put_rule(rule: &mut Request, hook: Hook, family: Family) -> &mut Request {
    let (protocol, address_offset, address_length) = match family {
        Family::V4 => (IPV4, 16, 4),
        Family::V6 => (IPV6, 24, 16),
    };
    put_meta_load(rule, NETWORK_PROTOCOL, FIRST_REGISTER);
    put_equals(rule, FIRST_REGISTER, &[protocol]);
    if hook == Hook::Output {
        put_meta_load(rule, MARK, FIRST_REGISTER);
        put_equals(rule, FIRST_REGISTER, &[0; 4]);
    }
    let protocol_register = FIRST_REGISTER + address_length / element::ALIGNMENT;
    put_payload_load(rule, NETWORK_HEADER, address_offset, address_length, FIRST_REGISTER);
    put_meta_load(rule, TRANSPORT_PROTOCOL, protocol_register);
    // The destination port is the second field in the headers of TCP, UDP and SCTP.
    put_payload_load(rule, TRANSPORT_HEADER, 2, 2, protocol_register + 1);
    put_lookup(rule, map(family), FIRST_REGISTER);
    put_meta_store(rule, MARK, FIRST_REGISTER)
}

/// Loads metadata of the packet.
fn put_meta_load(rule: &mut Request, key: u32, register: u32) {
    put(rule, "meta", |data| data.put(META_DESTINATION, &register.to_be_bytes()).put(META_KEY, &key.to_be_bytes()));
}

/// Sets metadata of the packet.
fn put_meta_store(rule: &mut Request, key: u32, register: u32) -> &mut Request {
    put(rule, "meta", |data| data.put(META_KEY, &key.to_be_bytes()).put(META_SOURCE, &register.to_be_bytes()))
}

/// Ends the rule unless the register holds these bytes (`NFTA_CMP_SREG`, `NFTA_CMP_OP`, `NFTA_CMP_DATA`; `NFT_CMP_EQ`).
fn put_equals(rule: &mut Request, register: u32, bytes: &[u8]) {
    put(rule, "cmp", |data| {
        data.put(1, &register.to_be_bytes()).put(2, &0_u32.to_be_bytes()).nest(3, |value| value.put(DATA_VALUE, bytes))
    });
}

/// Loads bytes of the packet (`NFTA_PAYLOAD_DREG`, `NFTA_PAYLOAD_BASE`, `NFTA_PAYLOAD_OFFSET`, `NFTA_PAYLOAD_LEN`).
/// Ends the rule if the packet is too short, or is a later fragment without this header.
fn put_payload_load(rule: &mut Request, base: u32, offset: u32, length: u32, register: u32) {
    put(rule, "payload", |data| {
        data.put(1, &register.to_be_bytes())
            .put(2, &base.to_be_bytes())
            .put(3, &offset.to_be_bytes())
            .put(4, &length.to_be_bytes())
    });
}

/// Replaces the key in the registers by its value in the map (`NFTA_LOOKUP_SET`, `NFTA_LOOKUP_SREG`,
/// `NFTA_LOOKUP_DREG`). Ends the rule if the map has no such key.
fn put_lookup(rule: &mut Request, map: &str, register: u32) {
    put(rule, "lookup", |data| data.put_text(1, map).put(2, &register.to_be_bytes()).put(3, &register.to_be_bytes()));
}

fn put<'a>(rule: &'a mut Request, name: &str, data: impl FnOnce(&mut Request) -> &mut Request) -> &'a mut Request {
    rule.nest(LIST_ELEMENT, |expression| expression.put_text(NAME, name).nest(DATA, data))
}
