//! All virtual services with their servers.

use std::collections::BTreeMap;

use super::{Destination, Server, Service, ServiceKey};

/// A virtual service with its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    /// How it chooses.
    pub service: Service,
    /// Among whom.
    pub destinations: BTreeMap<Server, Destination>,
}

impl VirtualService {
    /// A service without servers.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self { service, destinations: BTreeMap::new() }
    }

    /// Whether a server of it gets new connections.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.destinations.values().any(Destination::is_live)
    }
}

/// All virtual services with their servers, as they are desired, or as they are in the kernel.
pub type Table = BTreeMap<ServiceKey, VirtualService>;
