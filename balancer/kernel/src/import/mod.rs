//! Imports configurations of other programs as sections of `weir.toml`.
//!
//! | module         | contents                                                          |
//! |----------------|-------------------------------------------------------------------|
//! | [`ldirectord`] | reads `ldirectord.cf`                                             |
//! | [`keepalived`] | reads the `virtual_server` blocks of `keepalived.conf`            |
//! | [`iptables`]   | reads the iptables rules that set marks                           |
//! | [`service`]    | the services that were read                                       |
//! | [`adjust`]     | adjusts them to the limits of Weir's configuration                |
//! | [`write`]      | writes them as TOML, with comments for lines that are unsupported |
//!
//! All of it is pure. Nothing is lost silently: every line is either imported, or has a [`Note`] with the reason.
//!
//! [`write`]: mod@write

mod adjust;
pub mod iptables;
pub mod keepalived;
pub mod ldirectord;
mod ports;
pub mod service;
mod write;

use std::collections::BTreeSet;

pub use service::{Check, Server, Service};

use crate::settings::OnExit;

/// Maximum number of servers in a range of addresses. A typing error must not create millions.
const MAX_RANGE: usize = 256;

/// An imported file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The services, in the order of the file.
    pub services: Vec<Service>,
    /// What happens to the services when the program stops, if the file sets it.
    pub on_exit: Option<OnExit>,
    /// Notes that belong to no single service.
    pub notes: Vec<Note>,
    /// Numbers of the lines that were imported, from 1.
    pub imported_lines: BTreeSet<usize>,
}

/// A line or block that could not be imported as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Number of the line, from 1.
    pub line: usize,
    /// Number of the last line of a block, otherwise of the same line.
    pub last: usize,
    /// The text, or the part of it that matters.
    pub text: String,
    /// Why it was not imported, and what to do.
    pub reason: String,
}

impl Imported {
    /// Returns whether the output is a valid configuration. Otherwise addresses or servers must be added.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_complete = |service: &Service| !service.addresses.is_empty() && !service.servers.is_empty();
        !self.services.is_empty() && self.services.iter().all(is_complete)
    }

    /// Number of lines that could not be imported as they are.
    #[must_use]
    pub fn noted_lines(&self) -> usize {
        self.all_notes().flat_map(|note| note.line..=note.last).collect::<BTreeSet<_>>().len()
    }

    /// All notes, including those of services.
    pub fn all_notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().chain(self.services.iter().flat_map(|service| &service.notes))
    }

    fn note(&mut self, line: usize, text: impl Into<String>, reason: impl Into<String>) {
        self.notes.push(Note { line, last: line, text: text.into(), reason: reason.into() });
    }

    /// Returns whether this line was imported or has a note.
    fn accounts_for(&self, line: usize) -> bool {
        self.imported_lines.contains(&line) || self.all_notes().any(|note| (note.line..=note.last).contains(&line))
    }

    /// Adjusts all services to the limits of the configuration, and to each other.
    fn adjust(&mut self) {
        self.services.iter_mut().for_each(adjust::adjust);
        self.adjust_together();
    }

    /// Adjusts services to each other. Called again when their addresses are known.
    fn adjust_together(&mut self) {
        self.make_names_unique();
        self.leave_out_conflicting();
        let addresses = self.services.iter().flat_map(|service| &service.addresses).copied().collect();
        self.services.iter_mut().for_each(|service| adjust::adjust_to_virtual_addresses(service, &addresses));
    }

    fn make_names_unique(&mut self) {
        let mut taken = BTreeSet::new();
        for service in &mut self.services {
            let first = service.name.clone();
            let mut number = 1;
            while !taken.insert(service.name.clone()) {
                number += 1;
                service.name = format!("{first}-{number}");
            }
        }
    }

    /// Leaves out services with the endpoints or the mark of an earlier one.
    fn leave_out_conflicting(&mut self) {
        let mut kept: Vec<Service> = Vec::new();
        for mut service in std::mem::take(&mut self.services) {
            let Some(earlier) = kept.iter().find(|other| other.conflicts_with(&service)) else {
                kept.push(service);
                continue;
            };
            let reason =
                format!("left out: the service in line {} has the same addresses and ports, or mark", earlier.line);
            let last = service.servers.iter().map(|server| server.line).fold(service.line, usize::max);
            self.notes.append(&mut service.notes);
            self.notes.push(Note { line: service.line, last, text: service.name, reason });
        }
        self.services = kept;
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
