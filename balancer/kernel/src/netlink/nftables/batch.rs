//! Transactions: all of it holds from one moment on, or the kernel refuses it and nothing is changed.

use weir_program::netlink::{Request, flags};

use super::{
    BRIDGE, FAMILIES, Hook, PRIORITY, SUBSYSTEM, TABLE, chain, comment, element, expression, header, map, message,
    request, rule, set, table,
};
use crate::model::{Family, Mark, Marks, Packets};

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`.
const BEGIN: u16 = 16;
const END: u16 = 17;
/// `NFTA_SET_ELEM_LIST_…`.
pub(super) const LIST_TABLE: u16 = 1;
pub(super) const LIST_SET: u16 = 2;
pub(super) const LIST_ELEMENTS: u16 = 3;

/// Most entries of one message: of IPv6 they take 84 bytes each, and an attribute ends at 65,535.
const ENTRIES_OF_MESSAGE: usize = 500;

/// The transaction that makes the table with these marks, in the place of whatever there is by its name.
#[must_use]
pub fn replace(marks: &Marks) -> Vec<Request> {
    transaction(whole(TABLE, 0, marks.iter()))
}

/// The transaction that makes the table that stands in for these marks while the other one changes. It is gone with the
/// socket that made it, at the latest. Linux before 5.12 refuses it.
#[must_use]
pub fn bridge(marks: impl Iterator<Item = (Packets, Mark)>) -> Vec<Request> {
    transaction(whole(BRIDGE, table::OWNED, marks))
}

/// The transaction after which it stands in no more.
#[must_use]
pub fn remove_bridge() -> Vec<Request> {
    transaction(vec![delete_table(BRIDGE)])
}

/// The transaction that takes out entries and puts in others. It is refused when one to take out is not there, when one
/// to put in overlaps another, or when there is no table.
#[must_use]
pub fn edit(removed: &[Packets], added: &[(Packets, Mark)]) -> Vec<Request> {
    let mut requests = entries(TABLE, message::DEL_ELEMENTS, removed.iter().map(|packets| (*packets, None)));
    let added = added.iter().map(|(packets, mark)| (*packets, Some(*mark)));
    requests.extend(entries(TABLE, message::NEW_ELEMENTS, added));
    transaction(requests)
}

/// The transaction after which there is no such table, whether there was one or not.
#[must_use]
pub fn remove() -> Vec<Request> {
    transaction(vec![new_table(TABLE, 0), delete_table(TABLE)])
}

/// A table with these marks, and nothing that was there by its name.
fn whole(table: &str, table_flags: u32, marks: impl Iterator<Item = (Packets, Mark)>) -> Vec<Request> {
    let mut requests = vec![new_table(table, table_flags), delete_table(table), new_table(table, table_flags)];
    requests.extend(FAMILIES.map(|family| new_map(table, family)));
    requests.extend(Hook::ALL.map(|hook| new_chain(table, hook)));
    for hook in Hook::ALL {
        requests.extend(FAMILIES.map(|family| new_rule(table, hook, family)));
    }
    requests.extend(entries(table, message::NEW_ELEMENTS, marks.map(|(packets, mark)| (packets, Some(mark)))));
    requests
}

/// What the kernel takes as one. It acknowledges the last request, and refuses by the number of whichever is wrong.
fn transaction(mut requests: Vec<Request>) -> Vec<Request> {
    if let Some(last) = requests.last_mut() {
        last.add_flags(flags::ACKNOWLEDGE);
    }
    let bracket = |kind| Request::new(kind, 0).header(&header(0, SUBSYSTEM));
    requests.insert(0, bracket(BEGIN));
    requests.push(bracket(END));
    requests
}

/// Makes the table if it is not there.
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
    // How nft(8) is to print a key and a mark: the one field by field, the other in the byte order of the host.
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
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    [&[rule::COMMENT, length][..], comment.as_bytes(), &[0]].concat()
}

fn entries(table: &str, message: u16, entries: impl Iterator<Item = (Packets, Option<Mark>)>) -> Vec<Request> {
    let entries: Vec<_> = entries.collect();
    let of_family = |family: Family| {
        let entries = entries.iter().filter(move |(packets, _)| Family::of(packets.address) == family);
        entries.copied().collect::<Vec<_>>()
    };
    let requests = FAMILIES.into_iter().flat_map(|family| {
        let entries = of_family(family);
        let requests = entries.chunks(ENTRIES_OF_MESSAGE).map(|entries| {
            let mut request = request(message, if message == message::NEW_ELEMENTS { flags::CREATE } else { 0 });
            request.put_text(LIST_TABLE, table).put_text(LIST_SET, map(family)).nest(LIST_ELEMENTS, |list| {
                for (packets, mark) in entries {
                    element::put(list, packets, *mark);
                }
                list
            });
            request
        });
        requests.collect::<Vec<_>>()
    });
    requests.collect()
}
