//! The changes that lead from the kernel's actual state to the desired one: as few as possible, in an order that
//! refuses no client that was served before and will be served after. The one exception is a service whose scheduler
//! changes: it has none for some milliseconds.
//!
//! 1. Add: services, then their servers, including sorry servers.
//! 2. Raise: servers whose weight grows or stays, and scheduling of services.
//! 3. Mark: packets get the marks of their new services. All of those have their servers by now, and the services that
//!    packets leave still have theirs.
//! 4. Lower: servers whose weight falls.
//! 5. Delete: servers, then services.
//!
//! Sync daemons that do not match are stopped before, and started after all other changes.
//!
//! So a service that has a live server before and after has one all the time. In the end it has a server that either
//! was there before and is never lowered to 0, or was brought by steps 1 and 2 before steps 4 and 5 take any away.
//!
//! The kernel changes weight, method and thresholds of a server in one step (`IPVS_CMD_SET_DEST`), and keeps its
//! connections on the method with which they began. So no server is deleted to be added again.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::model::{
    Daemon, Destination, Endpoint, Mark, MarkTable, Marks, OwnedMarks, Role, Server, Service, ServiceEntry, ServiceKey,
    Table, Timeouts,
};

/// The desired state of the kernel. By construction it contains only services and marks that Weir owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    owned: OwnedMarks,
    table: Table,
    packet_marks: Marks,
    /// Sync daemons to run; `None` to leave them unchanged. A daemon whose role is missing is stopped.
    pub daemons: Option<BTreeMap<Role, Daemon>>,
    /// Connection timeouts; `None` to leave them unchanged.
    pub timeouts: Option<Timeouts>,
}

/// A service or a mark that Weir does not own, and must not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOwned {
    /// A service.
    #[error("the service of {0} is not owned by Weir, which owns the marks {1}")]
    Service(ServiceKey, OwnedMarks),
    /// A mark of an endpoint.
    #[error("{0} would get mark {1}, which is not owned by Weir, which owns the marks {2}")]
    Endpoint(Endpoint, Mark, OwnedMarks),
}

impl Desired {
    /// A desired state with these services and packet marks, and without sync daemons and timeouts.
    ///
    /// # Errors
    /// [`NotOwned`] when a service or a mark is not in `owned`.
    pub fn new(owned: OwnedMarks, table: Table, packet_marks: Marks) -> Result<Self, NotOwned> {
        if let Some(key) = table.keys().find(|key| !owned.owns(key)) {
            return Err(NotOwned::Service(*key, owned));
        }
        if let Some((endpoint, mark)) = packet_marks.iter().find(|(_, mark)| !owned.contains(*mark)) {
            return Err(NotOwned::Endpoint(endpoint, mark, owned));
        }
        Ok(Self { table, packet_marks, ..Self::empty(owned) })
    }

    /// A desired state without services and marks: all that Weir owns is deleted.
    #[must_use]
    pub fn empty(owned: OwnedMarks) -> Self {
        Self { owned, table: Table::new(), packet_marks: Marks::default(), daemons: None, timeouts: None }
    }

    /// The same state with only those services for which `is_kept` holds, and with weight 0 for all servers.
    #[must_use]
    pub fn drained(mut self, is_kept: impl Fn(&ServiceKey) -> bool) -> Self {
        self.table.retain(|key, _| is_kept(key));
        let entries = self.table.values_mut();
        entries.flat_map(|entry| entry.destinations.values_mut()).for_each(|destination| destination.weight = 0);
        self
    }

    /// The marks that Weir owns.
    #[must_use]
    pub fn owned(&self) -> &OwnedMarks {
        &self.owned
    }

    /// The services with their servers.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The mark of each endpoint. If there are none, Weir's nf_tables table is deleted.
    #[must_use]
    pub fn packet_marks(&self) -> &Marks {
        &self.packet_marks
    }
}

/// The actual state of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// All services, including those of other programs.
    pub table: Table,
    /// Weir's nf_tables table.
    pub marks: MarkTable,
    /// The running sync daemons.
    pub daemons: BTreeMap<Role, Daemon>,
    /// The connection timeouts.
    pub timeouts: Timeouts,
}

/// A change, which the kernel applies as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a service.
    AddService(ServiceKey, Service),
    /// Changes the scheduling of a service.
    SetService(ServiceKey, Service),
    /// Deletes a service with its servers.
    DeleteService(ServiceKey),
    /// Adds a server to a service.
    AddDestination(ServiceKey, Server, Destination),
    /// Changes a server of a service.
    SetDestination(ServiceKey, Server, Destination),
    /// Deletes a server from a service.
    DeleteDestination(ServiceKey, Server),
    /// Creates Weir's nf_tables table, replacing an existing one.
    ReplaceMarks(Marks),
    /// Changes entries of Weir's nf_tables table.
    EditMarks {
        /// Entries to remove.
        removed: Vec<Endpoint>,
        /// Entries to add.
        added: Vec<(Endpoint, Mark)>,
    },
    /// Deletes Weir's nf_tables table.
    RemoveMarks,
    /// Stops the sync daemon of this role.
    StopDaemon(Role),
    /// Starts a sync daemon.
    StartDaemon(Daemon),
    /// Sets the connection timeouts.
    SetTimeouts(Timeouts),
}

/// The object that a change concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The scheduling of a service.
    Service(ServiceKey),
    /// A server of a service.
    Destination(ServiceKey, Server),
    /// Weir's nf_tables table.
    Marks,
    /// The sync daemon of this role.
    Daemon(Role),
    /// The connection timeouts.
    Timeouts,
}

impl Change {
    /// The object that the change concerns.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::AddService(key, _) | Self::SetService(key, _) | Self::DeleteService(key) => Subject::Service(*key),
            Self::AddDestination(key, server, _)
            | Self::SetDestination(key, server, _)
            | Self::DeleteDestination(key, server) => Subject::Destination(*key, *server),
            Self::ReplaceMarks(_) | Self::EditMarks { .. } | Self::RemoveMarks => Subject::Marks,
            Self::StopDaemon(role) => Subject::Daemon(*role),
            Self::StartDaemon(daemon) => Subject::Daemon(daemon.role),
            Self::SetTimeouts(_) => Subject::Timeouts,
        }
    }
}

/// The changes that lead from `actual` to `desired`, in order. Objects that Weir does not own are neither changed nor
/// named. If the kernel refuses one of the changes, another program has changed its state: read it and plan again.
#[must_use]
pub fn plan(desired: &Desired, actual: &Actual) -> Vec<Change> {
    let mut steps = Steps::default();
    for (key, entry) in &desired.table {
        match actual.table.get(key) {
            Some(present) => steps.change_service(key, entry, present),
            None => steps.add_service(key, entry),
        }
    }
    let is_surplus = |key: &&ServiceKey| desired.owned.owns(key) && !desired.table.contains_key(key);
    steps.delete.extend(actual.table.keys().filter(is_surplus).map(|key| Change::DeleteService(*key)));
    let timeouts = desired.timeouts.filter(|timeouts| !timeouts.are_satisfied_by(&actual.timeouts));
    let (stop, start) = daemon_changes(desired.daemons.as_ref(), &actual.daemons);
    let ordered = [
        timeouts.map(Change::SetTimeouts).into_iter().collect(),
        stop,
        steps.add,
        steps.raise,
        mark_change(&desired.packet_marks, &actual.marks).into_iter().collect(),
        steps.lower,
        steps.delete,
        start,
    ];
    ordered.into_iter().flatten().collect()
}

/// The changes of services, by step.
#[derive(Default)]
struct Steps {
    add: Vec<Change>,
    raise: Vec<Change>,
    lower: Vec<Change>,
    delete: Vec<Change>,
}

impl Steps {
    fn add_service(&mut self, key: &ServiceKey, desired: &ServiceEntry) {
        self.add.push(Change::AddService(*key, desired.service.clone()));
        let servers = desired.destinations.iter();
        self.add.extend(servers.map(|(server, destination)| Change::AddDestination(*key, *server, *destination)));
    }

    fn change_service(&mut self, key: &ServiceKey, desired: &ServiceEntry, present: &ServiceEntry) {
        for (server, destination) in &desired.destinations {
            match present.destinations.get(server) {
                None => self.add.push(Change::AddDestination(*key, *server, *destination)),
                Some(before) if before == destination => {}
                Some(before) => {
                    let step = if destination.weight < before.weight { &mut self.lower } else { &mut self.raise };
                    step.push(Change::SetDestination(*key, *server, *destination));
                }
            }
        }
        if desired.service != present.service {
            self.raise.push(Change::SetService(*key, desired.service.clone()));
        }
        let surplus = present.destinations.keys().filter(|server| !desired.destinations.contains_key(server));
        self.delete.extend(surplus.map(|server| Change::DeleteDestination(*key, *server)));
    }
}

fn mark_change(desired: &Marks, actual: &MarkTable) -> Option<Change> {
    match actual {
        MarkTable::Inconsistent => None,
        MarkTable::Absent if desired.is_empty() => None,
        MarkTable::Intact(present) if present == desired => None,
        _ if desired.is_empty() => Some(Change::RemoveMarks),
        MarkTable::Absent | MarkTable::Modified => Some(Change::ReplaceMarks(desired.clone())),
        MarkTable::Intact(present) => {
            let removed = present.iter().filter(|(endpoint, mark)| desired.of(endpoint) != Some(*mark));
            let added = desired.iter().filter(|(endpoint, mark)| present.of(endpoint) != Some(*mark));
            Some(Change::EditMarks { removed: removed.map(|(endpoint, _)| endpoint).collect(), added: added.collect() })
        }
    }
}

/// The daemons to stop and to start. The kernel cannot change a running daemon. While one runs, it refuses servers of
/// another family than their service, and while there is such a server, it refuses to start one. So daemons are stopped
/// first and started last.
fn daemon_changes(
    desired: Option<&BTreeMap<Role, Daemon>>,
    actual: &BTreeMap<Role, Daemon>,
) -> (Vec<Change>, Vec<Change>) {
    let Some(desired) = desired else { return Default::default() };
    let is_satisfied = |role: &Role| match (desired.get(role), actual.get(role)) {
        (Some(desired), Some(running)) => desired.is_satisfied_by(running),
        (desired, running) => desired.is_none() && running.is_none(),
    };
    let stop = actual.keys().filter(|role| !is_satisfied(role)).map(|role| Change::StopDaemon(*role));
    let start =
        desired.iter().filter(|(role, _)| !is_satisfied(role)).map(|(_, daemon)| Change::StartDaemon(daemon.clone()));
    (stop.collect(), start.collect())
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(key, service) => write!(f, "add service {key}, {}", service.scheduler),
            Self::SetService(key, service) => write!(f, "change service {key}, {}", service.scheduler),
            Self::DeleteService(key) => write!(f, "delete service {key}"),
            Self::AddDestination(key, server, destination) => {
                write!(f, "add {server} with weight {} to {key}", destination.weight)
            }
            Self::SetDestination(key, server, destination) => {
                write!(f, "set {server} to weight {} in {key}", destination.weight)
            }
            Self::DeleteDestination(key, server) => write!(f, "delete {server} from {key}"),
            Self::ReplaceMarks(marks) => write!(f, "install {} marks", marks.iter().count()),
            Self::EditMarks { removed, added } => write!(f, "remove {} and add {} marks", removed.len(), added.len()),
            Self::RemoveMarks => f.write_str("remove all marks"),
            Self::StopDaemon(role) => write!(f, "stop sync daemon ({})", role.name()),
            Self::StartDaemon(daemon) => {
                write!(f, "start sync daemon ({}) on {}", daemon.role.name(), daemon.interface)
            }
            Self::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
                write!(f, "set timeouts: tcp {tcp} s, tcp_fin {tcp_fin} s, udp {udp} s")
            }
        }
    }
}
