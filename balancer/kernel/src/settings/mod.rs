//! The validated configuration of kernel mode.

mod directors;
mod edges;
mod method;
mod virtual_service;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use weir_checks::check::Probe;
use weir_program::config::values;

pub use directors::Directors;
pub use edges::{EdgeFilter, Edges};
pub use method::{ForwardingMethod, Method};
pub use virtual_service::{ServiceCheck, StaticServer, VirtualService};

use crate::model::{MarkRange, Marks, OwnedMarks, Timeouts};

/// The configuration of kernel mode. [`KernelSection`](crate::config::KernelSection) documents the keys and their
/// ranges.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether the balancer serves nothing but kernel mode.
    pub only: bool,
    /// Range of marks that are assigned to services and probe services.
    pub mark_range: MarkRange,
    /// All marks that Weir owns: the range, and the explicit marks of services.
    pub owned: OwnedMarks,
    /// Interval at which the kernel is read and compared with the desired state.
    pub interval: Duration,
    /// What happens to the services when the balancer stops.
    pub on_exit: OnExit,
    /// Connection timeouts to set; `None` to leave them unchanged.
    pub timeouts: Option<Timeouts>,
    /// Whether to set the required sysctls.
    pub set_sysctls: bool,
    /// Maximum number of concurrent health checks.
    pub concurrent_checks: usize,
    /// Set if this director is one of a pair.
    pub directors: Option<Directors>,
    /// The virtual services; at least one.
    pub services: Vec<VirtualService>,
    /// The mark of each endpoint of the services.
    pub packet_marks: Marks,
}

/// What happens to the services when the balancer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// The kernel keeps forwarding.
    Keep,
    /// All servers get weight 0: existing connections continue, new ones are not accepted.
    Drain,
    /// Services and marks are deleted.
    Remove,
}

impl OnExit {
    /// All policies, by their names in the configuration.
    const NAMES: [(&str, Self); 3] = [("keep", Self::Keep), ("drain", Self::Drain), ("remove", Self::Remove)];

    /// Name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        values::name_of(self, &Self::NAMES)
    }
}

impl<'de> Deserialize<'de> for OnExit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        values::named(deserializer, "an on_exit policy", &Self::NAMES)
    }
}

impl Settings {
    /// Maximum number of files that health checks have open at once: one socket for each, or for a program two pipes,
    /// its process, and the pipe that starting it takes.
    #[must_use]
    pub fn files(&self) -> usize {
        let checks = self.services.iter().filter_map(|service| service.check.as_ref());
        let each = checks.map(|check| if matches!(check.settings.probe, Probe::Exec(_)) { 4 } else { 1 });
        each.max().unwrap_or(0) * self.concurrent_checks
    }

    /// The virtual addresses of all services.
    #[must_use]
    pub fn virtual_addresses(&self) -> BTreeSet<IpAddr> {
        self.services.iter().flat_map(|service| &service.endpoints).map(|endpoint| endpoint.address).collect()
    }
}
