//! The quorum of a service, and whether its sorry server is active, in each address family.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::Family;
use crate::settings::VirtualService;

/// Status of a service in one address family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FamilyStatus {
    /// Number of servers that are up.
    pub up: usize,
    /// Whether the sorry server has taken over.
    pub is_sorry_active: bool,
}

/// Health of the servers of one address family.
#[derive(Debug, Clone, Copy)]
pub(super) struct FamilyHealth {
    /// Number of servers that are up.
    pub(super) up: usize,
    /// Number of servers.
    pub(super) all: usize,
    /// Whether the state of all servers is known.
    pub(super) is_known: bool,
    /// Whether the kernel has the sorry server with a weight.
    pub(super) is_sorry_live: bool,
}

/// Whether the sorry server is active in each family; empty before the first evaluation.
#[derive(Debug, Default)]
pub(super) struct QuorumState(BTreeMap<Family, bool>);

impl QuorumState {
    /// Returns whether the sorry server of the address's family was active at the last evaluation.
    pub(super) fn was_sorry_active(&self, address: IpAddr) -> bool {
        self.0.get(&Family::of(address)) == Some(&true)
    }

    /// Evaluates the quorum with its hysteresis. The first evaluation continues with the kernel's state.
    pub(super) fn evaluate(&mut self, service: &VirtualService, family: Family, health: FamilyHealth) -> FamilyStatus {
        let FamilyHealth { up, all, is_known, is_sorry_live } = health;
        if service.sorry_server(family).is_none() {
            return FamilyStatus { up, is_sorry_active: false };
        }
        let has_quorum = match self.0.get(&family).copied().unwrap_or(is_sorry_live) {
            // At most all servers can be up.
            true => up >= (service.quorum + service.hysteresis).min(all.max(service.quorum)),
            false => up >= service.quorum || !is_known,
        };
        self.0.insert(family, !has_quorum);
        FamilyStatus { up, is_sorry_active: !has_quorum }
    }
}
