//! What there is of the table.

use std::collections::{BTreeMap, BTreeSet};

use weir_program::netlink::{Attributes, Malformed, Message, Request, flags};

use super::{
    FAMILIES, Hook, PRIORITY, SUBSYSTEM, TABLE, batch, chain, comment, element, map, message, request, rule, set, table,
};
use crate::model::{Installed, Mark, Marks, Packets};

/// The request for the table itself; `ENOENT` when there is none.
#[must_use]
pub fn get_table() -> Request {
    let mut request = request(message::GET_TABLE, 0);
    request.put_text(table::NAME, TABLE);
    request
}

/// The requests for the lists of what is in the table; `ENOENT` when there is none, or no such map in it.
#[must_use]
pub fn list_contents() -> Vec<Request> {
    let of_table = |message, attribute| {
        let mut request = request(message, flags::DUMP);
        request.put_text(attribute, TABLE);
        request
    };
    let entries = |family| {
        let mut request = of_table(message::GET_ELEMENTS, batch::LIST_TABLE);
        request.put_text(batch::LIST_SET, map(family));
        request
    };
    let mut requests = vec![
        of_table(message::GET_CHAIN, chain::TABLE),
        of_table(message::GET_SET, set::TABLE),
        of_table(message::GET_RULE, rule::TABLE),
    ];
    requests.extend(FAMILIES.map(entries));
    requests
}

/// What the answers told of the table so far. Objects of other tables, which older kernels list as well, are passed over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The table's flags, once it was told of; one of them puts it to sleep.
    flags: Option<u32>,
    chains: BTreeMap<String, Chain>,
    maps: BTreeMap<String, Map>,
    /// The chains and comments of the rules, in order.
    rules: Vec<(String, String)>,
    entries: Vec<(Packets, Mark)>,
    /// There is an entry that Weir would not have made.
    has_foreign_entries: bool,
}

/// What is read of a chain; one without a hook is told of with less.
#[derive(Debug, PartialEq, Eq)]
struct Chain {
    hook: Option<u32>,
    priority: Option<u32>,
    policy: Option<u32>,
}

/// What is read of a map.
#[derive(Debug, PartialEq, Eq)]
struct Map {
    flags: u32,
    key_length: u32,
    value_length: u32,
}

impl Reading {
    /// Takes in a message of an answer.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn take(&mut self, message: Message<'_>) -> Result<(), Malformed> {
        let Some(kind) = message.kind.checked_sub(SUBSYSTEM << 8) else { return Ok(()) };
        let (_, attributes) = message.split_body::<4>()?;
        match kind {
            message::NEW_TABLE => self.take_table(attributes),
            message::NEW_CHAIN => self.take_chain(attributes),
            message::NEW_SET => self.take_map(attributes),
            message::NEW_RULE => self.take_rule(attributes),
            message::NEW_ELEMENTS => self.take_entries(attributes),
            _ => Ok(()),
        }
    }

    /// Adds what other answers told.
    pub fn add(&mut self, part: Self) {
        self.flags = self.flags.or(part.flags);
        self.chains.extend(part.chains);
        self.maps.extend(part.maps);
        self.rules.extend(part.rules);
        self.entries.extend(part.entries);
        self.has_foreign_entries |= part.has_foreign_entries;
    }

    /// What there is of the table by all that was told.
    #[must_use]
    pub fn finish(self) -> Installed {
        let Some(flags) = self.flags else { return Installed::Absent };
        let chains = Hook::ALL.map(|hook| {
            let priority = Some(PRIORITY.cast_unsigned());
            (hook.chain().to_owned(), Chain { hook: Some(hook.number()), priority, policy: Some(chain::ACCEPT) })
        });
        let maps = FAMILIES.map(|family| {
            let key_length = element::key_length(family);
            (map(family).to_owned(), Map { flags: set::INTERVAL_MAP, key_length, value_length: element::MARK_LENGTH })
        });
        // Rules come chain by chain, in an order of the chains that is the kernel's.
        let rules_of = |hook: Hook| self.rules.iter().filter(move |(chain, _)| chain == hook.chain());
        let has_rules =
            Hook::ALL.iter().all(|hook| rules_of(*hook).map(|(_, comment)| comment.as_str()).eq(FAMILIES.map(comment)));
        let is_intact = flags == 0
            && self.chains == BTreeMap::from(chains)
            && self.maps == BTreeMap::from(maps)
            && has_rules
            && !self.has_foreign_entries;
        // Entries that Weir would have put together cannot be told of one by one.
        let entries: BTreeSet<_> = self.entries.into_iter().collect();
        match Marks::new(entries.iter().copied()) {
            Ok(marks) if is_intact && marks.iter().eq(entries) => Installed::Intact(marks),
            _ => Installed::Damaged,
        }
    }

    fn take_table(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        if is_ours(attributes, table::NAME)? {
            self.flags = Some(number(attributes, table::FLAGS)?.unwrap_or(0));
        }
        Ok(())
    }

    fn take_chain(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let (true, Some(name)) = (is_ours(attributes, chain::TABLE)?, text(attributes, chain::NAME)?) else {
            return Ok(());
        };
        let hook = attributes.find_kind(chain::HOOK)?.map(|hook| hook.nested()).unwrap_or_default();
        let of_hook = |kind| number(hook, kind);
        let (hook, priority) = (of_hook(chain::HOOK_NUMBER)?, of_hook(chain::HOOK_PRIORITY)?);
        self.chains.insert(name, Chain { hook, priority, policy: number(attributes, chain::POLICY)? });
        Ok(())
    }

    fn take_map(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let (true, Some(name)) = (is_ours(attributes, set::TABLE)?, text(attributes, set::NAME)?) else {
            return Ok(());
        };
        let number = |kind| number(attributes, kind).map(Option::unwrap_or_default);
        // Some kernels do not tell again that a key is put together, which its length says anyway.
        let flags = number(set::FLAGS)? | set::CONCATENATION;
        let (key_length, value_length) = (number(set::KEY_LENGTH)?, number(set::DATA_LENGTH)?);
        self.maps.insert(name, Map { flags, key_length, value_length });
        Ok(())
    }

    fn take_rule(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let (true, Some(chain)) = (is_ours(attributes, rule::TABLE)?, text(attributes, rule::CHAIN)?) else {
            return Ok(());
        };
        let comment = attributes.find_kind(rule::USER_DATA)?.and_then(|data| comment_in(data.value));
        self.rules.push((chain, comment.unwrap_or_default()));
        Ok(())
    }

    fn take_entries(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let map_name = text(attributes, batch::LIST_SET)?;
        let family = FAMILIES.into_iter().find(|family| map_name.as_deref() == Some(map(*family)));
        let (true, Some(family)) = (is_ours(attributes, batch::LIST_TABLE)?, family) else { return Ok(()) };
        let Some(list) = attributes.find_kind(batch::LIST_ELEMENTS)? else { return Ok(()) };
        for entry in element::read(list, family)? {
            self.has_foreign_entries |= entry.is_none();
            self.entries.extend(entry);
        }
        Ok(())
    }
}

fn is_ours(attributes: Attributes<'_>, kind: u16) -> Result<bool, Malformed> {
    Ok(text(attributes, kind)?.as_deref() == Some(TABLE))
}

pub(super) fn text(attributes: Attributes<'_>, kind: u16) -> Result<Option<String>, Malformed> {
    attributes.find_kind(kind)?.map(|attribute| attribute.text().map(str::to_owned)).transpose()
}

pub(super) fn number(attributes: Attributes<'_>, kind: u16) -> Result<Option<u32>, Malformed> {
    attributes.find_kind(kind)?.map(|attribute| attribute.u32_be()).transpose()
}

/// The comment among a rule's user data, each of which has type and length in a byte.
fn comment_in(mut data: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = data {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *kind == rule::COMMENT {
            return String::from_utf8(value.strip_suffix(&[0]).unwrap_or(value).to_vec()).ok();
        }
        data = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_program::netlink::Messages;

    use super::*;
    use crate::model::tests::marks;
    use crate::model::{PortRange, Protocol};

    /// What is read of a table that was made by these requests.
    fn read(requests: &[Request]) -> Installed {
        let mut reading = Reading::default();
        for request in requests {
            let bytes = request.encode(1).unwrap();
            reading.take(Messages(&bytes).next().unwrap().unwrap()).unwrap();
        }
        reading.finish()
    }

    fn some_marks() -> Marks {
        let ports = PortRange::new(1024, 5000).unwrap();
        let packets = Packets { address: [192, 0, 2, 1].into(), protocol: Protocol::Udp, ports };
        Marks::new([(packets, Mark::new(257).unwrap())]).unwrap()
    }

    #[test]
    fn whatever_is_missing_or_too_much_is_noticed() {
        let marks = some_marks();
        let requests = batch::replace(&marks);
        assert_eq!(read(&requests), Installed::Intact(marks.clone()));
        assert_eq!(read(&[]), Installed::Absent);
        // Begin, table, no table, table: the last of these three counts; then maps, chains and rules.
        for missing in 4..requests.len() - 2 {
            let mut requests = requests.clone();
            requests.remove(missing);
            assert_eq!(read(&requests), Installed::Damaged, "{missing}");
        }
        let rule = requests.len() - 3;
        let mut twice = requests.clone();
        twice.insert(rule, requests[rule].clone());
        assert_eq!(read(&twice), Installed::Damaged);
        let mut swapped = requests.clone();
        swapped.swap(rule, rule - 1);
        assert_eq!(read(&swapped), Installed::Damaged);
    }

    #[test]
    fn a_table_that_sleeps_is_damaged() {
        let mut requests = batch::replace(&some_marks());
        let mut asleep = request(message::NEW_TABLE, 0);
        asleep.put_text(table::NAME, TABLE).put(table::FLAGS, &1_u32.to_be_bytes());
        requests.push(asleep);
        assert_eq!(read(&requests), Installed::Damaged);
    }

    #[test]
    fn entries_that_weir_would_have_put_together_are_not_its_own() {
        let marks = some_marks();
        let more = Packets { ports: 5001.into(), ..marks.iter().next().unwrap().0 };
        let mut requests = batch::replace(&marks);
        requests.extend(batch::edit(&[], &[(more, Mark::new(257).unwrap())]));
        assert_eq!(read(&requests), Installed::Damaged);
    }

    #[test]
    fn other_tables_are_passed_over() {
        let mut other = request(message::NEW_TABLE, 0);
        other.put_text(table::NAME, "filter");
        let mut rule = request(message::NEW_RULE, 0);
        rule.put_text(rule::TABLE, "filter").put_text(rule::CHAIN, Hook::Prerouting.chain());
        assert_eq!(read(&[other.clone(), rule.clone()]), Installed::Absent);
        let mut requests = batch::replace(&some_marks());
        requests.extend([other, rule]);
        requests.extend(batch::bridge(some_marks().iter()));
        assert_eq!(read(&requests), Installed::Intact(some_marks()));
    }

    proptest! {
        #[test]
        fn a_table_that_is_written_is_read(marks in marks()) {
            prop_assert_eq!(read(&batch::replace(&marks)), Installed::Intact(marks));
        }
    }
}
