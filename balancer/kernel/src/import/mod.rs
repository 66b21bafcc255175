//! Kernel mode's sections from what other programs were configured with.
//!
//! | module         | what it holds                                                     |
//! |----------------|-------------------------------------------------------------------|
//! | [`ldirectord`] | reads `ldirectord.cf`                                             |
//! | [`keepalived`] | reads the `virtual_server` blocks of `keepalived.conf`            |
//! | [`marking`]    | reads the rules of iptables that say what a mark stands for       |
//! | [`service`]    | what was read, in Weir's terms                                    |
//! | [`write`]      | writes it as TOML, with comments for what could not be carried    |
//!
//! All of it is pure, and nothing is dropped in silence: of each line that says something, either its meaning is carried
//! over, or a [`Note`] says why not.
//!
//! [`write`]: mod@write

mod fit;
pub mod keepalived;
pub mod ldirectord;
pub mod marking;
mod ports;
pub mod service;
mod write;

use std::collections::BTreeSet;

pub use service::{Check, Server, Service};

use crate::settings::OnExit;

/// The most servers that a range of addresses may stand for: a slip of the pen must not make millions.
const MOST_IN_RANGE: usize = 256;

/// What a file says, as far as Weir has words for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The services, in the order of the file.
    pub services: Vec<Service>,
    /// What becomes of services when the program ends, if the file says so.
    pub on_exit: Option<OnExit>,
    /// What could not be carried over, and belongs to no one service.
    pub notes: Vec<Note>,
    /// The lines, counted from 1, whose meaning was carried over.
    pub carried: BTreeSet<usize>,
}

/// Something that could not be carried over as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its line, counted from 1.
    pub line: usize,
    /// The last line of it: the same one, unless it is a block.
    pub last: usize,
    /// What stands there, or the part of it that matters.
    pub what: String,
    /// Why it was not carried over, and what to do.
    pub why: String,
}

impl Imported {
    /// Whether what is printed is a configuration, so that people have nothing to fill in.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_whole = |service: &Service| !service.addresses.is_empty() && !service.servers.is_empty();
        !self.services.is_empty() && self.services.iter().all(is_whole)
    }

    /// How many lines could not be carried over as they stand.
    #[must_use]
    pub fn noted(&self) -> usize {
        self.all_notes().flat_map(|note| note.line..=note.last).collect::<BTreeSet<_>>().len()
    }

    /// All notes: those of services, too.
    pub fn all_notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().chain(self.services.iter().flat_map(|service| &service.notes))
    }

    fn note(&mut self, line: usize, what: impl Into<String>, why: impl Into<String>) {
        self.notes.push(Note { line, last: line, what: what.into(), why: why.into() });
    }

    /// Whether the meaning of this line was carried over, or a note says why not.
    fn accounts_for(&self, line: usize) -> bool {
        self.carried.contains(&line) || self.all_notes().any(|note| (note.line..=note.last).contains(&line))
    }

    /// Fits services to the configuration, each by itself, and then beside the others.
    fn settle(&mut self) {
        self.services.iter_mut().for_each(fit::fit);
        self.settle_together();
    }

    /// Fits services to each other; once more when their addresses have become known.
    fn settle_together(&mut self) {
        self.name_apart();
        self.leave_out_ambiguous();
        let addresses = self.services.iter().flat_map(|service| &service.addresses).copied().collect();
        self.services.iter_mut().for_each(|service| fit::fit_to_virtual(service, &addresses));
    }

    /// Gives services names of their own.
    fn name_apart(&mut self) {
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

    /// Leaves out services that want packets, or a mark, that an earlier one has.
    fn leave_out_ambiguous(&mut self) {
        let mut kept: Vec<Service> = Vec::new();
        for mut service in std::mem::take(&mut self.services) {
            let Some(earlier) = kept.iter().find(|other| other.contends_with(&service)) else {
                kept.push(service);
                continue;
            };
            let why =
                format!("left out: the service of line {} has the same addresses and ports, or mark", earlier.line);
            let last = service.servers.iter().map(|server| server.line).fold(service.line, usize::max);
            self.notes.append(&mut service.notes);
            self.notes.push(Note { line: service.line, last, what: service.name, why });
        }
        self.services = kept;
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
