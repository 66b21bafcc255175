//! What was changed, so that it can be undone: a line for each step, kept in the state folder.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::plan::{ALL, Setting, State, Step};

/// What this program changed, and what there was before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The addresses that it gave to loopback.
    pub added: BTreeSet<IpAddr>,
    /// The values that settings had for all interfaces.
    pub before: BTreeMap<Setting, u8>,
}

impl Record {
    /// Reads a record. Lines of another form, such as those of a later version, are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines() {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["added", address] => record.added.extend(address.parse::<IpAddr>().ok()),
                ["before", name, value] => {
                    record.before.extend(Setting::named(name).zip(value.parse().ok()));
                }
                _ => {}
            }
        }
        record
    }

    /// The record as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let added = self.added.iter().map(|address| format!("added {address}\n"));
        let before = self.before.iter().map(|(setting, value)| format!("before {} {value}\n", setting.name()));
        added.chain(before).collect()
    }

    /// Adds a step that is about to be made. What there was before the first one is kept.
    pub fn add(&mut self, step: &Step, state: &State) {
        match step {
            Step::Add(address) => _ = self.added.insert(*address),
            Step::Remove(address) => _ = self.added.remove(address),
            Step::Set(setting, _) => {
                let before = state.settings.get(&(ALL.to_owned(), *setting)).copied().unwrap_or_default();
                self.before.entry(*setting).or_insert(before);
            }
        }
    }

    /// The steps that undo what was done for these addresses, and what is recorded after them. Addresses that were there
    /// before stay; silence ends with the last address, and only after it.
    #[must_use]
    pub fn undo(&self, addresses: &BTreeSet<IpAddr>, state: &State) -> (Vec<Step>, Self) {
        let taken = self.added.intersection(addresses).copied();
        let mut left = Self { added: &self.added - addresses, before: self.before.clone() };
        let mut steps: Vec<Step> = taken.filter(|address| state.held.contains(address)).map(Step::Remove).collect();
        if !left.added.iter().any(IpAddr::is_ipv4) {
            for (setting, before) in std::mem::take(&mut left.before) {
                // Whoever changed it since knows better.
                let now = state.settings.get(&(ALL.to_owned(), setting)).copied();
                if now == Some(setting.wanted()) && before != setting.wanted() {
                    steps.push(Step::Set(setting, before));
                }
            }
        }
        (steps, left)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::prepare;
    use super::*;

    #[test]
    fn undoing_leads_back_to_what_there_was() {
        let settings = [(Setting::Ignore, 0), (Setting::Announce, 1)];
        let before = State {
            held: ["127.0.0.1".parse().unwrap(), "192.0.2.9".parse().unwrap()].into(),
            settings: settings.into_iter().map(|(setting, value)| ((ALL.to_owned(), setting), value)).collect(),
        };
        let wanted: BTreeSet<IpAddr> =
            ["192.0.2.9", "192.0.2.10", "2001:db8::10"].iter().map(|address| address.parse().unwrap()).collect();
        let (mut state, mut record) = (before.clone(), Record::default());
        for step in prepare(&wanted, &state) {
            record.add(&step, &state);
            make(&mut state, &step);
        }
        assert_eq!(Record::parse(&record.to_text()), record);
        let (steps, left) = record.undo(&wanted, &state);
        assert!(matches!(steps.last(), Some(Step::Set(..))), "{steps:?}");
        steps.iter().for_each(|step| make(&mut state, step));
        assert_eq!((state, left), (before, Record::default()));
    }

    #[test]
    fn silence_lasts_as_long_as_an_address_is_left() {
        let record = Record::parse("added 192.0.2.10\nadded 192.0.2.11\nbefore arp_ignore 0\nsomething else\n");
        let state = State { held: record.added.clone(), settings: [((ALL.to_owned(), Setting::Ignore), 1)].into() };
        let first = "192.0.2.10".parse().unwrap();
        let (steps, left) = record.undo(&[first].into(), &state);
        assert_eq!(steps, [Step::Remove(first)]);
        assert_eq!(left.before, record.before);
    }

    fn make(state: &mut State, step: &Step) {
        match step {
            Step::Add(address) => assert!(state.held.insert(*address)),
            Step::Remove(address) => assert!(state.held.remove(address)),
            Step::Set(setting, value) => _ = state.settings.insert((ALL.to_owned(), *setting), *value),
        }
    }
}
