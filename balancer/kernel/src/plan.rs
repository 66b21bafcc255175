//! From what there is in the kernel to what is desired: as few changes as it takes, in an order in which no client is
//! turned away who was served before and shall be served after. There is one exception: a service whose scheduler is
//! changed has none for some milliseconds.
//!
//! 1. Add: services, then their servers, a sorry server among them.
//! 2. Raise: servers whose weight grows or stays, and how services choose.
//! 3. Mark: packets go to the services that they shall go to. All of these have their servers by now, and the services
//!    that packets leave have theirs still.
//! 4. Lower: servers whose weight falls.
//! 5. Delete: servers, then services.
//!
//! Before that the exchange of connections is stopped where it shall not go on as it is, and after that it is started.
//!
//! So a service that has a live server before and after has one all the time: in the end it has one that was there and
//! is never lowered to nothing, or one that steps 1 and 2 brought, before steps 4 and 5 take any.
//!
//! The kernel changes the weight, the method and the thresholds of a server in one step (`IPVS_CMD_SET_DEST`), and keeps
//! its connections on the method that they began with. So no server is ever deleted to be added again.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::model::{
    Daemon, Destination, Installed, Mark, Marks, Owned, Packets, Role, Server, Service, ServiceKey, Table, Timeouts,
    VirtualService,
};

/// What shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The services; all have marks of Weir's.
    pub table: Table,
    /// Which packets get which mark; when that is none, there is to be no table that marks packets.
    pub marks: Marks,
    /// The exchange of connections; `None` to leave it to others. A role that is not named is given up.
    pub daemons: Option<BTreeMap<Role, Daemon>>,
    /// The time-outs; `None` to leave them to others.
    pub timeouts: Option<Timeouts>,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// All services, other programs' too.
    pub table: Table,
    /// The table that marks packets.
    pub marks: Installed,
    /// The exchange of connections.
    pub daemons: BTreeMap<Role, Daemon>,
    /// The time-outs.
    pub timeouts: Timeouts,
}

/// One change. The kernel makes it as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Makes a service.
    AddService(ServiceKey, Service),
    /// Changes how a service chooses.
    SetService(ServiceKey, Service),
    /// Deletes a service with its servers.
    DeleteService(ServiceKey),
    /// Adds a server to a service.
    AddDestination(ServiceKey, Server, Destination),
    /// Changes a server of a service.
    SetDestination(ServiceKey, Server, Destination),
    /// Deletes a server of a service.
    DeleteDestination(ServiceKey, Server),
    /// Makes the table that marks packets, in the place of what there is.
    ReplaceMarks(Marks),
    /// Changes some entries of the table that marks packets.
    EditMarks {
        /// Entries to take out.
        removed: Vec<Packets>,
        /// Entries to put in.
        added: Vec<(Packets, Mark)>,
    },
    /// Deletes the table that marks packets.
    RemoveMarks,
    /// Stops the exchange of connections in this role.
    StopDaemon(Role),
    /// Starts the exchange of connections.
    StartDaemon(Daemon),
    /// Sets the time-outs.
    SetTimeouts(Timeouts),
}

/// What a change is about. Two changes of one subject follow each other, or stand for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// How a service chooses.
    Service(ServiceKey),
    /// A server of a service.
    Destination(ServiceKey, Server),
    /// The table that marks packets.
    Marks,
    /// The exchange of connections in this role.
    Daemon(Role),
    /// The time-outs.
    Timeouts,
}

impl Change {
    /// What it is about.
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

/// A service or packets that Weir may not touch, for the mark is not one of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOwned {
    /// A service.
    #[error("the service of {0} is not Weir's, whose marks are {1}")]
    Service(ServiceKey, Owned),
    /// Packets.
    #[error("{0} would get mark {1}, but Weir's marks are {2}")]
    Packets(Packets, Mark, Owned),
}

/// The changes that lead from `actual` to `desired`, in order. What is not of `owned` is not touched, and not named. When
/// one of them is refused, others have been at work: what there is has to be read, and planned for, anew.
///
/// # Errors
/// [`NotOwned`] when something is desired that is not Weir's.
pub fn plan(desired: &Desired, actual: &Actual, owned: &Owned) -> Result<Vec<Change>, NotOwned> {
    check(desired, owned)?;
    let mut steps = Steps::default();
    for (key, wanted) in &desired.table {
        match actual.table.get(key) {
            Some(present) => steps.change_service(key, wanted, present),
            None => steps.add_service(key, wanted),
        }
    }
    let gone = actual.table.keys().filter(|key| owned.owns(key) && !desired.table.contains_key(key));
    steps.delete.extend(gone.map(|key| Change::DeleteService(*key)));
    let timeouts = desired.timeouts.filter(|timeouts| !timeouts.are_met_by(&actual.timeouts));
    let (stop, start) = exchange(desired.daemons.as_ref(), &actual.daemons);
    let ordered = [
        timeouts.map(Change::SetTimeouts).into_iter().collect(),
        stop,
        steps.add,
        steps.raise,
        mark(&desired.marks, &actual.marks).into_iter().collect(),
        steps.lower,
        steps.delete,
        start,
    ];
    Ok(ordered.into_iter().flatten().collect())
}

fn check(desired: &Desired, owned: &Owned) -> Result<(), NotOwned> {
    if let Some(key) = desired.table.keys().find(|key| !owned.owns(key)) {
        return Err(NotOwned::Service(*key, owned.clone()));
    }
    match desired.marks.iter().find(|(_, mark)| !owned.contains(*mark)) {
        Some((packets, mark)) => Err(NotOwned::Packets(packets, mark, owned.clone())),
        None => Ok(()),
    }
}

/// The changes of services by what they do.
#[derive(Default)]
struct Steps {
    add: Vec<Change>,
    raise: Vec<Change>,
    lower: Vec<Change>,
    delete: Vec<Change>,
}

impl Steps {
    fn add_service(&mut self, key: &ServiceKey, wanted: &VirtualService) {
        self.add.push(Change::AddService(*key, wanted.service.clone()));
        let servers = wanted.destinations.iter();
        self.add.extend(servers.map(|(server, destination)| Change::AddDestination(*key, *server, *destination)));
    }

    fn change_service(&mut self, key: &ServiceKey, wanted: &VirtualService, present: &VirtualService) {
        for (server, destination) in &wanted.destinations {
            match present.destinations.get(server) {
                None => self.add.push(Change::AddDestination(*key, *server, *destination)),
                Some(before) if before == destination => {}
                Some(before) => {
                    let step = if destination.weight < before.weight { &mut self.lower } else { &mut self.raise };
                    step.push(Change::SetDestination(*key, *server, *destination));
                }
            }
        }
        if wanted.service != present.service {
            self.raise.push(Change::SetService(*key, wanted.service.clone()));
        }
        let gone = present.destinations.keys().filter(|server| !wanted.destinations.contains_key(server));
        self.delete.extend(gone.map(|server| Change::DeleteDestination(*key, *server)));
    }
}

fn mark(desired: &Marks, actual: &Installed) -> Option<Change> {
    match actual {
        Installed::Uncertain => None,
        Installed::Absent if desired.is_empty() => None,
        Installed::Intact(present) if present == desired => None,
        _ if desired.is_empty() => Some(Change::RemoveMarks),
        Installed::Absent | Installed::Damaged => Some(Change::ReplaceMarks(desired.clone())),
        Installed::Intact(present) => {
            let removed = present.iter().filter(|(packets, mark)| desired.of(packets) != Some(*mark));
            let added = desired.iter().filter(|(packets, mark)| present.of(packets) != Some(*mark));
            Some(Change::EditMarks { removed: removed.map(|(packets, _)| packets).collect(), added: added.collect() })
        }
    }
}

/// What is to be stopped, and what started. The kernel changes nothing of it while it runs; nor does it take a server of
/// another family than its service while it runs, or start it while there is one. So it is stopped before all else, and
/// started last.
fn exchange(desired: Option<&BTreeMap<Role, Daemon>>, actual: &BTreeMap<Role, Daemon>) -> (Vec<Change>, Vec<Change>) {
    let Some(desired) = desired else { return Default::default() };
    let is_met = |role: &Role| match (desired.get(role), actual.get(role)) {
        (Some(wanted), Some(running)) => wanted.is_met_by(running),
        (wanted, running) => wanted.is_none() && running.is_none(),
    };
    let stop = actual.keys().filter(|role| !is_met(role)).map(|role| Change::StopDaemon(*role));
    let start = desired.iter().filter(|(role, _)| !is_met(role)).map(|(_, daemon)| Change::StartDaemon(daemon.clone()));
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
            Self::EditMarks { removed, added } => write!(f, "remove {} marks, add {}", removed.len(), added.len()),
            Self::RemoveMarks => f.write_str("remove all marks"),
            Self::StopDaemon(role) => write!(f, "stop the exchange of connections as {role:?}"),
            Self::StartDaemon(daemon) => {
                write!(f, "start the exchange of connections as {:?} on {}", daemon.role, daemon.interface)
            }
            Self::SetTimeouts(timeouts) => {
                write!(f, "set time-outs to {} s, {} s, {} s", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
            }
        }
    }
}
