//! How a group stands in one family of addresses: whether enough servers are up, or the sorry server is to serve.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::group::Group;
use crate::model::Family;

/// How a group stands in one family of addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Servers that are up.
    pub up: usize,
    /// Whether the sorry server has taken over.
    pub is_sorry: bool,
}

/// What is known of the servers of one family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strength {
    /// Servers that are up.
    pub(super) up: usize,
    /// Servers that there are.
    pub(super) all: usize,
    /// Whether it is known of all of them how they are.
    pub(super) is_known: bool,
    /// Whether the kernel has the sorry server, with weight.
    pub(super) sorry_serves: bool,
}

/// In which families the sorry server has taken over; nothing before the first judgement.
#[derive(Debug, Default)]
pub(super) struct Standings(BTreeMap<Family, bool>);

impl Standings {
    /// Whether the sorry server had taken over in the family of this address.
    pub(super) fn was_sorry(&self, address: IpAddr) -> bool {
        self.0.get(&Family::of(address)) == Some(&true)
    }

    /// Judges by the quorum of the group, and with its hysteresis. The first time, what the kernel does is gone on with.
    pub(super) fn judge(&mut self, group: &Group, family: Family, strength: Strength) -> Standing {
        let Strength { up, all, is_known, sorry_serves } = strength;
        if group.sorry_server(family).is_none() {
            return Standing { up, is_sorry: false };
        }
        let is_enough = match self.0.get(&family).copied().unwrap_or(sorry_serves) {
            // More than there are cannot come.
            true => up >= (group.quorum + group.hysteresis).min(all.max(group.quorum)),
            false => up >= group.quorum || !is_known,
        };
        self.0.insert(family, !is_enough);
        Standing { up, is_sorry: !is_enough }
    }
}
