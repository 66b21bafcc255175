//! Health checks of the real servers.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;
use weir_checks::{HealthChecker, ProbeOptions, Status, Target, Verdict};
use weir_program::clock::Clock;

use super::vip_checks::VipChecks;
use crate::model::{Family, Table};
use crate::real_servers::{Health, RealServer};
use crate::settings::{ServiceCheck, VirtualService};
use crate::status::{CHECK_OK, ServiceStatus};

/// A server in a service. A server of two services is checked for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    service: Arc<str>,
    address: IpAddr,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.address)
    }
}

/// The health checks of all services.
#[derive(Debug)]
pub(super) struct HealthChecks {
    checker: HealthChecker<Key>,
    statuses: watch::Receiver<HashMap<Key, Status>>,
    /// In the order of the services; `None` for those without a check.
    checks: Vec<Option<CheckedService>>,
}

/// The present verdicts on the servers of all services.
pub(super) struct Verdicts<'a> {
    checks: &'a [Option<CheckedService>],
    statuses: watch::Ref<'a, HashMap<Key, Status>>,
}

impl Verdicts<'_> {
    /// Health of the servers of the service with this index.
    pub(super) fn health(&self, index: usize) -> impl Fn(IpAddr) -> Health {
        move |address| {
            let Some(checked) = self.checked(index) else { return Health::Unchecked };
            match self.of(checked, address).map(|status| &status.verdict) {
                None | Some(Verdict::Unknown) => Health::Unknown,
                Some(Verdict::Up) => Health::Up,
                Some(Verdict::Down(reason)) => Health::Down(reason.to_string()),
            }
        }
    }

    /// Adds the results of checks to the status of each service, in their order.
    pub(super) fn add_results(&self, services: &mut [ServiceStatus]) {
        for (index, service) in services.iter_mut().enumerate() {
            let Some(checked) = self.checked(index) else { continue };
            for (address, server) in &mut service.servers {
                let Some(status) = self.of(checked, *address) else { continue };
                let results = &mut server.check_results;
                results.extend([(CHECK_OK, status.successes)].into_iter().filter(|(_, count)| *count > 0));
                results.extend(status.failures.iter().map(|(reason, count)| (*reason, *count)));
            }
        }
    }

    fn checked(&self, index: usize) -> Option<&CheckedService> {
        self.checks.get(index)?.as_ref()
    }

    fn of(&self, checked: &CheckedService, address: IpAddr) -> Option<&Status> {
        self.statuses.get(&Key { service: Arc::clone(&checked.service), address })
    }
}

/// A service with a check.
#[derive(Debug, Clone)]
struct CheckedService {
    service: Arc<str>,
    check: ServiceCheck,
    /// The virtual addresses to probe, if the check does so.
    virtual_addresses: BTreeMap<Family, Vec<IpAddr>>,
}

impl HealthChecks {
    /// Health checks for these services, at most `concurrent` at once, and without servers yet. Must be called within a
    /// runtime.
    pub(super) fn new<'a>(
        services: impl Iterator<Item = &'a VirtualService>,
        concurrent: usize,
        seed: u64,
        clock: Clock,
    ) -> Self {
        let checker = HealthChecker::new(concurrent, seed, clock);
        let checked = |service: &VirtualService| {
            let check = service.check.clone()?;
            let families = service.families.keys().filter(|_| check.settings.through_address);
            let addresses = |family: &Family| (*family, service.addresses(*family).into_iter().collect());
            let virtual_addresses = families.map(addresses).collect();
            Some(CheckedService { service: service.name.as_str().into(), check, virtual_addresses })
        };
        Self { statuses: checker.statuses(), checker, checks: services.map(checked).collect() }
    }

    /// Waits until a verdict changes.
    pub(super) async fn changed(&mut self) {
        if self.statuses.changed().await.is_err() {
            // The sender is in `checker`, so this is not reached. Without it, no verdict could change.
            std::future::pending::<()>().await;
        }
    }

    /// The present verdicts. They do not change while this is held.
    pub(super) fn verdicts(&self) -> Verdicts<'_> {
        Verdicts { checks: &self.checks, statuses: self.statuses.borrow() }
    }

    /// Replaces the set of checked servers, given in the order of the services. A server whose virtual address is
    /// probed is left out while the kernel has no probe service for it.
    pub(super) fn set_targets(
        &mut self,
        servers: &[BTreeMap<IpAddr, RealServer>],
        vip_checks: &VipChecks,
        kernel: &Table,
    ) {
        let mut targets = HashMap::new();
        for (index, (checked, servers)) in self.checks.iter().zip(servers).enumerate() {
            let Some(CheckedService { service, check, virtual_addresses }) = checked else { continue };
            for address in servers.keys() {
                let options = match check.settings.through_address {
                    true => vip_checks.options(index, *address, kernel),
                    false => Some(ProbeOptions::default()),
                };
                let Some(options) = options else { continue };
                let key = Key { service: Arc::clone(service), address: *address };
                let target = Target {
                    address: SocketAddr::new(*address, check.port),
                    // None if the server's own address is probed.
                    virtual_addresses: virtual_addresses.get(&Family::of(*address)).cloned().unwrap_or_default(),
                    check: Arc::clone(&check.settings),
                    options,
                };
                targets.insert(key, target);
            }
        }
        self.checker.set_targets(targets);
    }
}
