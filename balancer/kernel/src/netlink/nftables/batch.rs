//! Transactions. The kernel commits a transaction as a whole, or refuses it and changes nothing.

use weir_program::netlink::{Request, flags};

use super::{
    BRIDGE, FAMILIES, Hook, PRIORITY, SUBSYSTEM, TABLE, chain, comment, element, expression, header, map, message,
    request, rule, set, table,
};
use crate::model::{Endpoint, Family, Mark, Marks};

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`.
const BEGIN: u16 = 16;
const END: u16 = 17;
/// `NFTA_SET_ELEM_LIST_…`.
pub(super) const LIST_TABLE: u16 = 1;
pub(super) const LIST_SET: u16 = 2;
pub(super) const LIST_ELEMENTS: u16 = 3;

/// Maximum number of elements in a message: one of IPv6 takes 84 bytes, and the length of an attribute is at most
/// 65,535.
const MAX_ELEMENTS: usize = 500;

/// The transaction that creates the table with these marks, replacing an existing one.
#[must_use]
pub fn replace(marks: &Marks) -> Vec<Request> {
    transaction(whole(TABLE, 0, marks.iter()))
}

/// The transaction that creates the second table, which has these marks while the table changes. The kernel deletes it
/// when the socket that created it is closed. Linux before 5.12 refuses it.
#[must_use]
pub fn bridge(marks: impl Iterator<Item = (Endpoint, Mark)>) -> Vec<Request> {
    transaction(whole(BRIDGE, table::OWNED, marks))
}

/// The transaction that deletes the second table.
#[must_use]
pub fn remove_bridge() -> Vec<Request> {
    transaction(vec![delete_table(BRIDGE)])
}

/// The transaction that deletes elements and adds others. The kernel refuses it if an element to delete does not exist,
/// if an element to add overlaps another, or if the table does not exist.
#[must_use]
pub fn edit(removed: &[Endpoint], added: &[(Endpoint, Mark)]) -> Vec<Request> {
    let mut requests = elements(TABLE, message::DEL_ELEMENTS, removed.iter().map(|endpoint| (*endpoint, None)));
    let added = added.iter().map(|(endpoint, mark)| (*endpoint, Some(*mark)));
    requests.extend(elements(TABLE, message::NEW_ELEMENTS, added));
    transaction(requests)
}

/// The transaction that deletes the table if it exists.
#[must_use]
pub fn remove() -> Vec<Request> {
    transaction(vec![new_table(TABLE, 0), delete_table(TABLE)])
}

/// Requests that create a table with these marks, replacing an existing one.
fn whole(table: &str, table_flags: u32, marks: impl Iterator<Item = (Endpoint, Mark)>) -> Vec<Request> {
    let mut requests = vec![new_table(table, table_flags), delete_table(table), new_table(table, table_flags)];
    requests.extend(FAMILIES.map(|family| new_map(table, family)));
    requests.extend(Hook::ALL.map(|hook| new_chain(table, hook)));
    for hook in Hook::ALL {
        requests.extend(FAMILIES.map(|family| new_rule(table, hook, family)));
    }
    requests.extend(elements(table, message::NEW_ELEMENTS, marks.map(|(endpoint, mark)| (endpoint, Some(mark)))));
    requests
}

/// Brackets requests as a transaction. The kernel acknowledges the last request, or refuses with the sequence number of
/// the invalid one.
fn transaction(mut requests: Vec<Request>) -> Vec<Request> {
    if let Some(last) = requests.last_mut() {
        last.add_flags(flags::ACKNOWLEDGE);
    }
    let bracket = |kind| Request::new(kind, 0).header(&header(0, SUBSYSTEM));
    requests.insert(0, bracket(BEGIN));
    requests.push(bracket(END));
    requests
}

/// Creates a table if it does not exist.
fn new_table(name: &str, table_flags: u32) -> Request {
    let mut request = request(message::NEW_TABLE, flags::CREATE);
    request.put_text(table::NAME, name).put(table::FLAGS, &table_flags.to_be_bytes());
    request
}

fn delete_table(name: &str) -> Request {
    let mut request = request(message::DEL_TABLE, 0);
    request.put_text(table::NAME, name);
    request
}

fn new_map(table: &str, family: Family) -> Request {
    let id: u32 = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    // Byte orders in which nft(8) prints keys and marks (`NFTNL_UDATA_SET_KEYBYTEORDER`: by field, `…_DATABYTEORDER`:
    // host).
    let byte_orders = [&[0, 4][..], &0_u32.to_ne_bytes(), &[1, 4], &1_u32.to_ne_bytes()].concat();
    let mut request = request(message::NEW_SET, flags::CREATE);
    request
        .put_text(set::TABLE, table)
        .put_text(set::NAME, map(family))
        .put(set::FLAGS, &set::INTERVAL_MAP.to_be_bytes())
        .put(set::KEY_TYPE, &element::key_type(family).to_be_bytes())
        .put(set::KEY_LENGTH, &element::key_length(family).to_be_bytes())
        .put(set::DATA_TYPE, &element::TYPE_MARK.to_be_bytes())
        .put(set::DATA_LENGTH, &element::MARK_LENGTH.to_be_bytes())
        .put(set::ID, &id.to_be_bytes())
        .nest(set::DESCRIPTION, |description| {
            description.nest(set::FIELDS, |fields| {
                for length in element::field_lengths(family) {
                    fields.nest(set::FIELD, |field| field.put(set::FIELD_LENGTH, &length.to_be_bytes()));
                }
                fields
            })
        })
        .put(set::USER_DATA, &byte_orders);
    request
}

fn new_chain(table: &str, hook: Hook) -> Request {
    let mut request = request(message::NEW_CHAIN, flags::CREATE);
    request
        .put_text(chain::TABLE, table)
        .put_text(chain::NAME, hook.chain())
        .nest(chain::HOOK, |nest| {
            nest.put(chain::HOOK_NUMBER, &hook.number().to_be_bytes())
                .put(chain::HOOK_PRIORITY, &PRIORITY.to_be_bytes())
        })
        .put(chain::POLICY, &chain::ACCEPT.to_be_bytes())
        .put_text(chain::TYPE, "filter");
    request
}

fn new_rule(table: &str, hook: Hook, family: Family) -> Request {
    let mut request = request(message::NEW_RULE, flags::CREATE | flags::APPEND);
    request
        .put_text(rule::TABLE, table)
        .put_text(rule::CHAIN, hook.chain())
        .nest(rule::EXPRESSIONS, |expressions| expression::put_rule(expressions, hook, family))
        .put(rule::USER_DATA, &comment_bytes(comment(family)));
    request
}

/// A comment in a rule's user data: type, length, text with a NUL.
fn comment_bytes(comment: &str) -> Vec<u8> {
    // Comments are constants that are shorter than this.
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    [&[rule::COMMENT, length][..], comment.as_bytes(), &[0]].concat()
}

fn elements(table: &str, message: u16, elements: impl Iterator<Item = (Endpoint, Option<Mark>)>) -> Vec<Request> {
    let elements: Vec<_> = elements.collect();
    let of_family = |family: Family| {
        let elements = elements.iter().filter(move |(endpoint, _)| Family::of(endpoint.address) == family);
        elements.copied().collect::<Vec<_>>()
    };
    let requests = FAMILIES.into_iter().flat_map(|family| {
        let elements = of_family(family);
        let requests = elements.chunks(MAX_ELEMENTS).map(|elements| {
            let mut request = request(message, if message == message::NEW_ELEMENTS { flags::CREATE } else { 0 });
            request.put_text(LIST_TABLE, table).put_text(LIST_SET, map(family)).nest(LIST_ELEMENTS, |list| {
                for (endpoint, mark) in elements {
                    element::put(list, endpoint, *mark);
                }
                list
            });
            request
        });
        requests.collect::<Vec<_>>()
    });
    requests.collect()
}
