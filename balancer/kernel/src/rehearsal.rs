//! A kernel for tests: what there is, and changes made to it with the refusals of the real one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustix::io::Errno;
use weir_program::netlink::{Error, Refusal};

use super::kernel::{Snapshot, Steered};
use super::model::{Destination, Forwarding, Installed, Marks, Name, Owned, Server, ServiceKey, VirtualService};
use super::netlink::ipvs::{ListedDestination, ListedService};
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

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let errno = match refused {
            Refused::Exists => Errno::EXIST,
            Refused::NoSuchEntry => Errno::NOENT,
            Refused::NoSuchService => Errno::SRCH,
            Refused::Invalid => Errno::INVAL,
            Refused::OutOfRange => Errno::RANGE,
        };
        Self::Refused(Refusal { code: errno.raw_os_error(), explanation: None })
    }
}

/// The kernel, or one network namespace of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kernel {
    /// What there is.
    pub(crate) actual: Actual,
    /// Addresses that it takes for none of a server, such as the broadcast address of a network.
    pub(crate) no_servers: BTreeSet<IpAddr>,
    /// Schedulers that it does not have.
    pub(crate) no_schedulers: BTreeSet<Name>,
    /// All that it was ever told, whether it did it or not.
    pub(crate) told: Vec<Change>,
}

impl From<Actual> for Kernel {
    fn from(actual: Actual) -> Self {
        Self { actual, ..Self::default() }
    }
}

impl Kernel {
    /// Makes a change.
    pub(crate) fn make(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::AddService(key, service) => {
                if self.actual.table.contains_key(key) {
                    return Err(Refused::Exists);
                }
                self.find(&service.scheduler)?;
                self.actual.table.insert(*key, VirtualService::new(service.clone()));
            }
            Change::SetService(key, service) => {
                self.find(&service.scheduler)?;
                self.service(key)?.service = service.clone();
            }
            Change::DeleteService(key) => drop(self.actual.table.remove(key).ok_or(Refused::NoSuchService)?),
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
            Change::ReplaceMarks(marks) => self.actual.marks = Installed::Intact(marks.clone()),
            Change::RemoveMarks => self.actual.marks = Installed::Absent,
            Change::EditMarks { removed, added } => {
                let Installed::Intact(marks) = &self.actual.marks else { return Err(Refused::NoSuchEntry) };
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
                self.actual.marks = Installed::Intact(marks);
            }
            Change::StopDaemon(role) => drop(self.actual.daemons.remove(role).ok_or(Refused::NoSuchService)?),
            Change::StartDaemon(daemon) => {
                if self.actual.daemons.contains_key(&daemon.role) {
                    return Err(Refused::Exists);
                }
                if self.actual.table.iter().any(|(key, service)| is_mixed(key, service)) {
                    return Err(Refused::Invalid);
                }
                let mut running = daemon.clone();
                running.datagram_length.get_or_insert(1472);
                running.group.get_or_insert([224, 0, 0, 81].into());
                running.port.get_or_insert(8848);
                running.ttl.get_or_insert(1);
                self.actual.daemons.insert(daemon.role, running);
            }
            Change::SetTimeouts(timeouts) => {
                let current = &mut self.actual.timeouts;
                let set = |current: &mut u32, timeout| *current = if timeout == 0 { *current } else { timeout };
                set(&mut current.tcp, timeouts.tcp);
                set(&mut current.tcp_fin, timeouts.tcp_fin);
                set(&mut current.udp, timeouts.udp);
            }
        }
        Ok(())
    }

    fn service(&mut self, key: &ServiceKey) -> Result<&mut VirtualService, Refused> {
        self.actual.table.get_mut(key).ok_or(Refused::NoSuchService)
    }

    fn find(&self, scheduler: &Name) -> Result<(), Refused> {
        if self.no_schedulers.contains(scheduler) { Err(Refused::NoSuchEntry) } else { Ok(()) }
    }

    fn check(&self, key: &ServiceKey, server: &Server, destination: &Destination) -> Result<(), Refused> {
        let is_tunnel = matches!(destination.forwarding, Forwarding::Tunnel(_));
        if !self.actual.table.contains_key(key) {
            Err(Refused::NoSuchService)
        } else if self.no_servers.contains(&server.address) {
            Err(Refused::Invalid)
        } else if server.family() != key.family() && (!is_tunnel || !self.actual.daemons.is_empty()) {
            // What the directors tell each other has room for one family only.
            Err(Refused::Invalid)
        } else if destination.lower_threshold > destination.upper_threshold {
            Err(Refused::OutOfRange)
        } else {
            Ok(())
        }
    }
}

impl Steered for Kernel {
    fn read(&mut self, owned: &Owned) -> Result<Snapshot, Error> {
        Ok(snapshot(&self.actual, owned))
    }

    fn make(&mut self, change: &Change) -> Result<(), Error> {
        self.told.push(change.clone());
        Ok(Self::make(self, change)?)
    }
}

/// What is read where this is: nothing was ever counted.
pub(crate) fn snapshot(actual: &Actual, owned: &Owned) -> Snapshot {
    let listed = |(server, destination): (&Server, &Destination)| ListedDestination {
        server: *server,
        destination: *destination,
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Default::default(),
    };
    let service = |(key, service): (&ServiceKey, &VirtualService)| {
        (*key, ListedService { key: *key, service: service.service.clone(), counters: Default::default() })
    };
    let own = actual.table.iter().filter(|(key, _)| owned.owns(key));
    let destinations = own.map(|(key, service)| (*key, service.destinations.iter().map(listed).collect()));
    Snapshot {
        services: actual.table.iter().map(service).collect(),
        destinations: destinations.collect(),
        marks: actual.marks.clone(),
        daemons: actual.daemons.clone(),
        timeouts: actual.timeouts,
    }
}

/// Whether a service has a server of the other family.
pub(crate) fn is_mixed(key: &ServiceKey, service: &VirtualService) -> bool {
    service.destinations.keys().any(|server| server.family() != key.family())
}
