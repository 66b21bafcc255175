//! State of the table, from the kernel's replies.

use std::collections::{BTreeMap, BTreeSet};

use weir_program::netlink::{Attributes, Malformed, Message, Request, flags};

use super::{
    FAMILIES, Hook, PRIORITY, SUBSYSTEM, TABLE, batch, chain, comment, element, map, message, request, rule, set, table,
};
use crate::model::{Endpoint, Mark, MarkTable, Marks};

/// The request for the table itself. The kernel refuses it with `ENOENT` if the table does not exist.
#[must_use]
pub fn get_table() -> Request {
    let mut request = request(message::GET_TABLE, 0);
    request.put_text(table::NAME, TABLE);
    request
}

/// The requests that list the contents of the table. The kernel refuses them with `ENOENT` if the table or the map does
/// not exist.
#[must_use]
pub fn list_contents() -> Vec<Request> {
    let of_table = |message, attribute| {
        let mut request = request(message, flags::DUMP);
        request.put_text(attribute, TABLE);
        request
    };
    let elements = |family| {
        let mut request = of_table(message::GET_ELEMENTS, batch::LIST_TABLE);
        request.put_text(batch::LIST_SET, map(family));
        request
    };
    let mut requests = vec![
        of_table(message::GET_CHAIN, chain::TABLE),
        of_table(message::GET_SET, set::TABLE),
        of_table(message::GET_RULE, rule::TABLE),
    ];
    requests.extend(FAMILIES.map(elements));
    requests
}

/// Collects the state of the table from replies. Objects of other tables, which older kernels list as well, are
/// ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TableReader {
    /// Flags of the table, once it has been listed. `NFT_TABLE_F_DORMANT` disables it.
    flags: Option<u32>,
    chains: BTreeMap<String, Chain>,
    maps: BTreeMap<String, Map>,
    /// Chain and comment of each rule, in order.
    rules: Vec<(String, String)>,
    elements: Vec<(Endpoint, Mark)>,
    /// Whether there is an element that Weir would not have created.
    has_foreign_elements: bool,
}

/// Attributes of a chain. One without a hook has none of them.
#[derive(Debug, PartialEq, Eq)]
struct Chain {
    hook: Option<u32>,
    priority: Option<u32>,
    policy: Option<u32>,
}

/// Attributes of a map.
#[derive(Debug, PartialEq, Eq)]
struct Map {
    flags: u32,
    key_length: u32,
    value_length: u32,
}

impl TableReader {
    /// Adds a message of a reply.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn push(&mut self, message: Message<'_>) -> Result<(), Malformed> {
        let Some(kind) = message.kind.checked_sub(SUBSYSTEM << 8) else { return Ok(()) };
        let (_, attributes) = message.split_body::<4>()?;
        match kind {
            message::NEW_TABLE => self.push_table(attributes),
            message::NEW_CHAIN => self.push_chain(attributes),
            message::NEW_SET => self.push_map(attributes),
            message::NEW_RULE => self.push_rule(attributes),
            message::NEW_ELEMENTS => self.push_elements(attributes),
            _ => Ok(()),
        }
    }

    /// Adds what was read from other replies.
    pub fn merge(&mut self, part: Self) {
        self.flags = self.flags.or(part.flags);
        self.chains.extend(part.chains);
        self.maps.extend(part.maps);
        self.rules.extend(part.rules);
        self.elements.extend(part.elements);
        self.has_foreign_elements |= part.has_foreign_elements;
    }

    /// The state of the table.
    #[must_use]
    pub fn finish(self) -> MarkTable {
        let Some(flags) = self.flags else { return MarkTable::Absent };
        let chains = Hook::ALL.map(|hook| {
            let priority = Some(PRIORITY.cast_unsigned());
            (hook.chain().to_owned(), Chain { hook: Some(hook.number()), priority, policy: Some(chain::ACCEPT) })
        });
        let maps = FAMILIES.map(|family| {
            let key_length = element::key_length(family);
            (map(family).to_owned(), Map { flags: set::INTERVAL_MAP, key_length, value_length: element::MARK_LENGTH })
        });
        // Rules are listed by chain, in an order of chains that the kernel chooses.
        let rules_of = |hook: Hook| self.rules.iter().filter(move |(chain, _)| chain == hook.chain());
        let has_rules =
            Hook::ALL.iter().all(|hook| rules_of(*hook).map(|(_, comment)| comment.as_str()).eq(FAMILIES.map(comment)));
        let is_intact = flags == 0
            && self.chains == BTreeMap::from(chains)
            && self.maps == BTreeMap::from(maps)
            && has_rules
            && !self.has_foreign_elements;
        // Adjoining elements that Weir would have merged are not Weir's.
        let elements: BTreeSet<_> = self.elements.into_iter().collect();
        match Marks::new(elements.iter().copied()) {
            Ok(marks) if is_intact && marks.iter().eq(elements) => MarkTable::Intact(marks),
            _ => MarkTable::Modified,
        }
    }

    fn push_table(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        if names_weir_table(attributes, table::NAME)? {
            self.flags = Some(number(attributes, table::FLAGS)?.unwrap_or(0));
        }
        Ok(())
    }

    fn push_chain(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let (true, Some(name)) = (names_weir_table(attributes, chain::TABLE)?, text(attributes, chain::NAME)?) else {
            return Ok(());
        };
        let hook = attributes.find_kind(chain::HOOK)?.map(|hook| hook.nested()).unwrap_or_default();
        let of_hook = |kind| number(hook, kind);
        let (hook, priority) = (of_hook(chain::HOOK_NUMBER)?, of_hook(chain::HOOK_PRIORITY)?);
        self.chains.insert(name, Chain { hook, priority, policy: number(attributes, chain::POLICY)? });
        Ok(())
    }

    fn push_map(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let (true, Some(name)) = (names_weir_table(attributes, set::TABLE)?, text(attributes, set::NAME)?) else {
            return Ok(());
        };
        // A missing attribute reads as 0, which differs from what Weir sets.
        let number = |kind| number(attributes, kind).map(Option::unwrap_or_default);
        // Some kernels do not list the flag for concatenations. The length of the key implies it.
        let flags = number(set::FLAGS)? | set::CONCATENATION;
        let (key_length, value_length) = (number(set::KEY_LENGTH)?, number(set::DATA_LENGTH)?);
        self.maps.insert(name, Map { flags, key_length, value_length });
        Ok(())
    }

    fn push_rule(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let (true, Some(chain)) = (names_weir_table(attributes, rule::TABLE)?, text(attributes, rule::CHAIN)?) else {
            return Ok(());
        };
        // A rule without a comment is not Weir's, and differs from it by its empty comment.
        let comment = attributes.find_kind(rule::USER_DATA)?.and_then(|data| comment_in(data.value));
        self.rules.push((chain, comment.unwrap_or_default()));
        Ok(())
    }

    fn push_elements(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        let map_name = text(attributes, batch::LIST_SET)?;
        let family = FAMILIES.into_iter().find(|family| map_name.as_deref() == Some(map(*family)));
        let (true, Some(family)) = (names_weir_table(attributes, batch::LIST_TABLE)?, family) else { return Ok(()) };
        let Some(list) = attributes.find_kind(batch::LIST_ELEMENTS)? else { return Ok(()) };
        for element in element::read(list, family)? {
            self.has_foreign_elements |= element.is_none();
            self.elements.extend(element);
        }
        Ok(())
    }
}

fn names_weir_table(attributes: Attributes<'_>, kind: u16) -> Result<bool, Malformed> {
    Ok(text(attributes, kind)?.as_deref() == Some(TABLE))
}

pub(super) fn text(attributes: Attributes<'_>, kind: u16) -> Result<Option<String>, Malformed> {
    attributes.find_kind(kind)?.map(|attribute| attribute.text().map(str::to_owned)).transpose()
}

pub(super) fn number(attributes: Attributes<'_>, kind: u16) -> Result<Option<u32>, Malformed> {
    attributes.find_kind(kind)?.map(|attribute| attribute.u32_be()).transpose()
}

/// The comment in a rule's user data: a list of values, each with a byte for type and length. `None` if there is none
/// in valid UTF-8; then the rule is not Weir's.
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

    /// The state of a table that was created by these requests.
    fn read(requests: &[Request]) -> MarkTable {
        let mut reader = TableReader::default();
        for request in requests {
            let bytes = request.encode(1).unwrap();
            reader.push(Messages(&bytes).next().unwrap().unwrap()).unwrap();
        }
        reader.finish()
    }

    fn some_marks() -> Marks {
        let ports = PortRange::new(1024, 5000).unwrap();
        let endpoint = Endpoint { address: [192, 0, 2, 1].into(), protocol: Protocol::Udp, ports };
        Marks::new([(endpoint, Mark::new(257).unwrap())]).unwrap()
    }

    #[test]
    fn missing_and_surplus_objects_are_detected() {
        let marks = some_marks();
        let requests = batch::replace(&marks);
        assert_eq!(read(&requests), MarkTable::Intact(marks.clone()));
        assert_eq!(read(&[]), MarkTable::Absent);
        // Begin, new table, delete table, new table, of which only the last counts; then maps, chains and rules.
        for missing in 4..requests.len() - 2 {
            let mut requests = requests.clone();
            requests.remove(missing);
            assert_eq!(read(&requests), MarkTable::Modified, "{missing}");
        }
        let rule = requests.len() - 3;
        let mut twice = requests.clone();
        twice.insert(rule, requests[rule].clone());
        assert_eq!(read(&twice), MarkTable::Modified);
        let mut swapped = requests.clone();
        swapped.swap(rule, rule - 1);
        assert_eq!(read(&swapped), MarkTable::Modified);
    }

    #[test]
    fn a_dormant_table_counts_as_modified() {
        let mut requests = batch::replace(&some_marks());
        let mut dormant = request(message::NEW_TABLE, 0);
        dormant.put_text(table::NAME, TABLE).put(table::FLAGS, &1_u32.to_be_bytes());
        requests.push(dormant);
        assert_eq!(read(&requests), MarkTable::Modified);
    }

    #[test]
    fn adjoining_elements_that_weir_would_have_merged_count_as_modified() {
        let marks = some_marks();
        let more = Endpoint { ports: 5001.into(), ..marks.iter().next().unwrap().0 };
        let mut requests = batch::replace(&marks);
        requests.extend(batch::edit(&[], &[(more, Mark::new(257).unwrap())]));
        assert_eq!(read(&requests), MarkTable::Modified);
    }

    #[test]
    fn other_tables_are_ignored() {
        let mut other = request(message::NEW_TABLE, 0);
        other.put_text(table::NAME, "filter");
        let mut rule = request(message::NEW_RULE, 0);
        rule.put_text(rule::TABLE, "filter").put_text(rule::CHAIN, Hook::Prerouting.chain());
        assert_eq!(read(&[other.clone(), rule.clone()]), MarkTable::Absent);
        let mut requests = batch::replace(&some_marks());
        requests.extend([other, rule]);
        requests.extend(batch::bridge(some_marks().iter()));
        assert_eq!(read(&requests), MarkTable::Intact(some_marks()));
    }

    proptest! {
        #[test]
        fn written_tables_are_read_back(marks in marks()) {
            prop_assert_eq!(read(&batch::replace(&marks)), MarkTable::Intact(marks));
        }
    }
}
