//! A simulated kernel for tests: it applies changes, and refuses those that the real kernel refuses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustix::io::Errno;
use weir_program::netlink::{Error, Refusal};

use super::kernel::{KernelApi, Snapshot};
use super::model::{Destination, Forwarding, MarkTable, Marks, Name, OwnedMarks, Server, ServiceEntry, ServiceKey};
use super::netlink::ipvs::{ListedDestination, ListedService};
use super::plan::{Actual, Change};

/// The errors with which the kernel refuses changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
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

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let errno = match rejection {
            Rejection::Exists => Errno::EXIST,
            Rejection::NoSuchEntry => Errno::NOENT,
            Rejection::NoSuchService => Errno::SRCH,
            Rejection::Invalid => Errno::INVAL,
            Rejection::OutOfRange => Errno::RANGE,
        };
        Self::Refused(Refusal { code: errno.raw_os_error(), explanation: None })
    }
}

/// A kernel, or one network namespace of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedKernel {
    /// Its state.
    pub(crate) actual: Actual,
    /// Addresses that it refuses for servers, as the real kernel does for the broadcast address of a network.
    pub(crate) refused_servers: BTreeSet<IpAddr>,
    /// Schedulers that it does not have.
    pub(crate) missing_schedulers: BTreeSet<Name>,
    /// All requests so far, whether refused or not.
    pub(crate) requests: Vec<Change>,
}

impl From<Actual> for SimulatedKernel {
    fn from(actual: Actual) -> Self {
        Self { actual, ..Self::default() }
    }
}

impl SimulatedKernel {
    /// Applies a change.
    pub(crate) fn execute(&mut self, change: &Change) -> Result<(), Rejection> {
        match change {
            Change::AddService(key, service) => {
                if self.actual.table.contains_key(key) {
                    return Err(Rejection::Exists);
                }
                self.find(&service.scheduler)?;
                self.actual.table.insert(*key, ServiceEntry::new(service.clone()));
            }
            Change::SetService(key, service) => {
                self.find(&service.scheduler)?;
                self.service(key)?.service = service.clone();
            }
            Change::DeleteService(key) => drop(self.actual.table.remove(key).ok_or(Rejection::NoSuchService)?),
            Change::AddDestination(key, server, destination) => {
                self.check(key, server, destination)?;
                let destinations = &mut self.service(key)?.destinations;
                if destinations.contains_key(server) {
                    return Err(Rejection::Exists);
                }
                destinations.insert(*server, *destination);
            }
            Change::SetDestination(key, server, destination) => {
                self.check(key, server, destination)?;
                let destinations = &mut self.service(key)?.destinations;
                *destinations.get_mut(server).ok_or(Rejection::NoSuchEntry)? = *destination;
            }
            Change::DeleteDestination(key, server) => {
                self.service(key)?.destinations.remove(server).ok_or(Rejection::NoSuchEntry)?;
            }
            Change::ReplaceMarks(marks) => self.actual.marks = MarkTable::Intact(marks.clone()),
            Change::RemoveMarks => self.actual.marks = MarkTable::Absent,
            Change::EditMarks { removed, added } => {
                let MarkTable::Intact(marks) = &self.actual.marks else { return Err(Rejection::NoSuchEntry) };
                if removed.iter().any(|endpoint| marks.of(endpoint).is_none()) {
                    return Err(Rejection::NoSuchEntry);
                }
                let kept = marks.iter().filter(|(endpoint, _)| !removed.contains(endpoint));
                let entries: Vec<_> = kept.chain(added.iter().copied()).collect();
                let marks = Marks::new(entries.iter().copied()).map_err(|_| Rejection::Exists)?;
                // Overlapping entries are refused even if their marks are the same.
                if marks.iter().count() < entries.len() {
                    return Err(Rejection::Exists);
                }
                self.actual.marks = MarkTable::Intact(marks);
            }
            Change::StopDaemon(role) => drop(self.actual.daemons.remove(role).ok_or(Rejection::NoSuchService)?),
            Change::StartDaemon(daemon) => {
                if self.actual.daemons.contains_key(&daemon.role) {
                    return Err(Rejection::Exists);
                }
                if self.actual.table.iter().any(|(key, service)| is_mixed(key, service)) {
                    return Err(Rejection::Invalid);
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

    fn service(&mut self, key: &ServiceKey) -> Result<&mut ServiceEntry, Rejection> {
        self.actual.table.get_mut(key).ok_or(Rejection::NoSuchService)
    }

    fn find(&self, scheduler: &Name) -> Result<(), Rejection> {
        if self.missing_schedulers.contains(scheduler) { Err(Rejection::NoSuchEntry) } else { Ok(()) }
    }

    fn check(&self, key: &ServiceKey, server: &Server, destination: &Destination) -> Result<(), Rejection> {
        let is_tunnel = matches!(destination.forwarding, Forwarding::Tunnel(_));
        if !self.actual.table.contains_key(key) {
            Err(Rejection::NoSuchService)
        } else if self.refused_servers.contains(&server.address) {
            Err(Rejection::Invalid)
        } else if server.family() != key.family() && (!is_tunnel || !self.actual.daemons.is_empty()) {
            // The sync protocol has room for one family only.
            Err(Rejection::Invalid)
        } else if destination.lower_threshold > destination.upper_threshold {
            Err(Rejection::OutOfRange)
        } else {
            Ok(())
        }
    }
}

impl KernelApi for SimulatedKernel {
    fn read(&mut self, owned: &OwnedMarks) -> Result<Snapshot, Error> {
        Ok(snapshot(&self.actual, owned))
    }

    fn execute(&mut self, change: &Change) -> Result<(), Error> {
        self.requests.push(change.clone());
        Ok(Self::execute(self, change)?)
    }
}

/// A snapshot of this state, with all counters 0.
pub(crate) fn snapshot(actual: &Actual, owned: &OwnedMarks) -> Snapshot {
    let listed = |(server, destination): (&Server, &Destination)| ListedDestination {
        server: *server,
        destination: *destination,
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Default::default(),
    };
    let service = |(key, service): (&ServiceKey, &ServiceEntry)| {
        (*key, ListedService { key: *key, service: service.service.clone(), counters: Default::default() })
    };
    let owned = actual.table.iter().filter(|(key, _)| owned.owns(key));
    let destinations = owned.map(|(key, service)| (*key, service.destinations.iter().map(listed).collect()));
    Snapshot {
        services: actual.table.iter().map(service).collect(),
        destinations: destinations.collect(),
        marks: actual.marks.clone(),
        daemons: actual.daemons.clone(),
        timeouts: actual.timeouts,
    }
}

/// Returns whether a service has a server of the other family.
pub(crate) fn is_mixed(key: &ServiceKey, service: &ServiceEntry) -> bool {
    service.destinations.keys().any(|server| server.family() != key.family())
}
