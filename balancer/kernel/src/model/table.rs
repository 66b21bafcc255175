//! The IPVS table: all virtual services with their real servers.

use std::collections::BTreeMap;

use super::{Destination, Server, Service, ServiceKey};

/// A virtual service and its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// How the service schedules connections.
    pub service: Service,
    /// Its real servers.
    pub destinations: BTreeMap<Server, Destination>,
}

impl ServiceEntry {
    /// A service without servers.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self { service, destinations: BTreeMap::new() }
    }

    /// Returns whether any of its servers gets new connections.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.destinations.values().any(Destination::is_live)
    }
}

/// Virtual services with their servers, as desired or as in the kernel.
pub type Table = BTreeMap<ServiceKey, ServiceEntry>;
