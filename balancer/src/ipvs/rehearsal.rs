//! A kernel for tests: what there is, and changes made to it with the refusals of the real one.

use super::model::{Forwarding, Installed, Marks, Server, ServiceKey, VirtualService};
use super::plan::{Actual, Change};

/// What the real kernel would refuse, by the error that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `EEXIST`.
    Exists,
    /// `ENOENT`.
    NoSuchEntry,
    /// `ESRCH`.
    NoSuchService,
    /// `EINVAL`.
    Invalid,
    /// `ERANGE`.
    OutOfRange,
}

/// The kernel, or one network namespace of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kernel(pub(crate) Actual);

impl Kernel {
    /// Makes a change.
    pub(crate) fn make(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::AddService(key, service) => {
                if self.0.table.contains_key(key) {
                    return Err(Refused::Exists);
                }
                self.0.table.insert(*key, VirtualService::new(service.clone()));
            }
            Change::SetService(key, service) => self.service(key)?.service = service.clone(),
            Change::DeleteService(key) => drop(self.0.table.remove(key).ok_or(Refused::NoSuchService)?),
            Change::AddDestination(key, server, destination) => {
                self.check(key, server, destination)?;
                let destinations = &mut self.service(key)?.destinations;
                if destinations.contains_key(server) {
                    return Err(Refused::Exists);
                }
                destinations.insert(*server, *destination);
            }
            Change::SetDestination(key, server, destination) => {
                self.check(key, server, destination)?;
                let destinations = &mut self.service(key)?.destinations;
                *destinations.get_mut(server).ok_or(Refused::NoSuchEntry)? = *destination;
            }
            Change::DeleteDestination(key, server) => {
                self.service(key)?.destinations.remove(server).ok_or(Refused::NoSuchEntry)?;
            }
            Change::ReplaceMarks(marks) => self.0.marks = Installed::Intact(marks.clone()),
            Change::RemoveMarks => self.0.marks = Installed::Absent,
            Change::EditMarks { removed, added } => {
                let Installed::Intact(marks) = &self.0.marks else { return Err(Refused::NoSuchEntry) };
                if removed.iter().any(|packets| marks.of(packets).is_none()) {
                    return Err(Refused::NoSuchEntry);
                }
                let kept = marks.iter().filter(|(packets, _)| !removed.contains(packets));
                let entries: Vec<_> = kept.chain(added.iter().copied()).collect();
                let marks = Marks::new(entries.iter().copied()).map_err(|_| Refused::Exists)?;
                // Entries that overlap are refused even when their marks are the same.
                if marks.iter().count() < entries.len() {
                    return Err(Refused::Exists);
                }
                self.0.marks = Installed::Intact(marks);
            }
            Change::StopDaemon(role) => drop(self.0.daemons.remove(role).ok_or(Refused::NoSuchService)?),
            Change::StartDaemon(daemon) => {
                if self.0.daemons.contains_key(&daemon.role) {
                    return Err(Refused::Exists);
                }
                if self.0.table.iter().any(|(key, service)| is_mixed(key, service)) {
                    return Err(Refused::Invalid);
                }
                let mut running = daemon.clone();
                running.datagram_length.get_or_insert(1472);
                running.group.get_or_insert([224, 0, 0, 81].into());
                running.port.get_or_insert(8848);
                running.ttl.get_or_insert(1);
                self.0.daemons.insert(daemon.role, running);
            }
            Change::SetTimeouts(timeouts) => {
                let current = &mut self.0.timeouts;
                let set = |current: &mut u32, timeout| *current = if timeout == 0 { *current } else { timeout };
                set(&mut current.tcp, timeouts.tcp);
                set(&mut current.tcp_fin, timeouts.tcp_fin);
                set(&mut current.udp, timeouts.udp);
            }
        }
        Ok(())
    }

    fn service(&mut self, key: &ServiceKey) -> Result<&mut VirtualService, Refused> {
        self.0.table.get_mut(key).ok_or(Refused::NoSuchService)
    }

    fn check(&self, key: &ServiceKey, server: &Server, destination: &super::model::Destination) -> Result<(), Refused> {
        let is_tunnel = matches!(destination.forwarding, Forwarding::Tunnel(_));
        if !self.0.table.contains_key(key) {
            Err(Refused::NoSuchService)
        } else if server.family() != key.family() && (!is_tunnel || !self.0.daemons.is_empty()) {
            // What the directors tell each other has room for one family only.
            Err(Refused::Invalid)
        } else if destination.lower_threshold > destination.upper_threshold {
            Err(Refused::OutOfRange)
        } else {
            Ok(())
        }
    }
}

/// Whether a service has a server of the other family.
pub(crate) fn is_mixed(key: &ServiceKey, service: &VirtualService) -> bool {
    service.destinations.keys().any(|server| server.family() != key.family())
}
