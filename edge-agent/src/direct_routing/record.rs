//! The record of applied changes, for undoing them: a text file with one line for each change. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::plan::{ALL, Setting, State, Step};

/// The changes that this program has applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The addresses added to the loopback interface.
    pub added: BTreeSet<IpAddr>,
    /// The previous values of changed settings.
    pub before: BTreeMap<Setting, u8>,
}

impl Record {
    /// Parses a record. Lines of unknown form, such as those of a later version, are skipped.
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

    /// Returns the record as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let added = self.added.iter().map(|address| format!("added {address}\n"));
        let before = self.before.iter().map(|(setting, value)| format!("before {} {value}\n", setting.name()));
        added.chain(before).collect()
    }

    /// Adds a step that is about to be applied to `state`. Of a setting, the value before the first step is kept.
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

    /// Returns the steps that undo the changes for these addresses, and the record after them. Addresses that existed
    /// before are kept. ARP settings are restored with, and after, the last address.
    #[must_use]
    pub fn undo(&self, addresses: &BTreeSet<IpAddr>, state: &State) -> (Vec<Step>, Self) {
        let added = self.added.intersection(addresses).copied();
        let mut left = Self { added: &self.added - addresses, before: self.before.clone() };
        let mut steps: Vec<Step> =
            added.filter(|address| state.addresses.contains(address)).map(Step::Remove).collect();
        if !left.added.iter().any(IpAddr::is_ipv4) {
            for (setting, before) in std::mem::take(&mut left.before) {
                // A value that another program has set since is kept.
                let now = state.settings.get(&(ALL.to_owned(), setting)).copied();
                if now == Some(setting.required()) && before != setting.required() {
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
    fn undo_restores_the_previous_settings() {
        let settings = [(Setting::Ignore, 0), (Setting::Announce, 1)];
        let before = State {
            addresses: ["127.0.0.1".parse().unwrap(), "192.0.2.9".parse().unwrap()].into(),
            settings: settings.into_iter().map(|(setting, value)| ((ALL.to_owned(), setting), value)).collect(),
        };
        let required: BTreeSet<IpAddr> =
            ["192.0.2.9", "192.0.2.10", "2001:db8::10"].iter().map(|address| address.parse().unwrap()).collect();
        let (mut state, mut record) = (before.clone(), Record::default());
        for step in prepare(&required, &state) {
            record.add(&step, &state);
            apply(&mut state, &step);
        }
        assert_eq!(Record::parse(&record.to_text()), record);
        let (steps, left) = record.undo(&required, &state);
        assert!(matches!(steps.last(), Some(Step::Set(..))), "{steps:?}");
        steps.iter().for_each(|step| apply(&mut state, step));
        assert_eq!((state, left), (before, Record::default()));
    }

    #[test]
    fn arp_settings_stay_while_an_address_is_left() {
        let record = Record::parse("added 192.0.2.10\nadded 192.0.2.11\nbefore arp_ignore 0\nsomething else\n");
        let state =
            State { addresses: record.added.clone(), settings: [((ALL.to_owned(), Setting::Ignore), 1)].into() };
        let first = "192.0.2.10".parse().unwrap();
        let (steps, left) = record.undo(&[first].into(), &state);
        assert_eq!(steps, [Step::Remove(first)]);
        assert_eq!(left.before, record.before);
    }

    fn apply(state: &mut State, step: &Step) {
        match step {
            Step::Add(address) => assert!(state.addresses.insert(*address)),
            Step::Remove(address) => assert!(state.addresses.remove(address)),
            Step::Set(setting, value) => _ = state.settings.insert((ALL.to_owned(), *setting), *value),
        }
    }
}
