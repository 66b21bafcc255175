//! The kernel's netlink sockets: reads its state and applies changes. All calls block, usually for less than a
//! millisecond.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use weir_program::netlink::{Error, Malformed, Message, Protocol, Request, Socket, flags};

use super::model::{Daemon, Endpoint, Mark, MarkTable, OwnedMarks, Role, ServiceEntry, ServiceKey, Timeouts};
use super::netlink::generic::{self, find_family};
use super::netlink::ipvs::{self, Version, destination, service, settings};
use super::netlink::ipvs::{ListedDestination, ListedService, daemon};
use super::netlink::nftables::batch;
use super::netlink::nftables::reader::{self, TableReader};
use super::plan::{Actual, Change};

/// Why the kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The IPVS module is not loaded or not installed. The kernel does not load it on request.
    #[error("the kernel has no IPVS; load it with `modprobe ip_vs`, and at boot with a line `ip_vs` in /etc/modules")]
    NoIpvs,
    /// The nf_tables module, which marks packets, is neither loaded nor found by the kernel.
    #[error(
        "the kernel has no nf_tables, which marks packets; load it with `modprobe nf_tables`, and at boot with a line \
         `nf_tables` in /etc/modules"
    )]
    NoNfTables,
    /// A request failed.
    #[error("IPVS query failed: {0}")]
    Kernel(#[from] Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Kernel(error.into())
    }
}

/// Access to a kernel: the real one, or a simulated one in tests.
pub(crate) trait KernelApi {
    /// Reads the kernel's state.
    ///
    /// # Errors
    /// [`Error`].
    fn read(&mut self, owned: &OwnedMarks) -> Result<Snapshot, Error>;

    /// Applies a change, and waits until it is in effect.
    ///
    /// # Errors
    /// [`Error`].
    fn execute(&mut self, change: &Change) -> Result<(), Error>;
}

/// The netlink sockets for IPVS and nf_tables, in the network namespace of the thread that opened them.
#[derive(Debug)]
pub struct Kernel {
    generic: Socket,
    netfilter: Socket,
    /// Number of the IPVS family. It may change when the module is reloaded.
    family: u16,
}

/// The kernel's state, with its counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All services, including those of other programs.
    pub services: BTreeMap<ServiceKey, ListedService>,
    /// The servers of Weir's services.
    pub destinations: BTreeMap<ServiceKey, Vec<ListedDestination>>,
    /// Weir's nf_tables table.
    pub marks: MarkTable,
    /// The running sync daemons.
    pub daemons: BTreeMap<Role, Daemon>,
    /// The connection timeouts.
    pub timeouts: Timeouts,
}

impl Snapshot {
    /// The state without counters. Services of other programs are listed without their servers.
    #[must_use]
    pub fn actual(&self) -> Actual {
        let table = self.services.iter().map(|(key, listed)| {
            let servers = self.destinations.get(key).into_iter().flatten();
            let destinations = servers.map(|listed| (listed.server, listed.destination)).collect();
            (*key, ServiceEntry { service: listed.service.clone(), destinations })
        });
        let (marks, daemons) = (self.marks.clone(), self.daemons.clone());
        Actual { table: table.collect(), marks, daemons, timeouts: self.timeouts }
    }
}

impl Kernel {
    /// Opens the sockets. This needs no privileges; reading and changing the kernel's state requires CAP_NET_ADMIN in
    /// the user namespace that owns the network namespace.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open() -> Result<Self, OpenError> {
        let mut generic = Socket::open(Protocol::Generic)?;
        let mut netfilter = Socket::open(Protocol::Netfilter)?;
        let family = match generic.query(find_family(ipvs::FAMILY), generic::read_family) {
            Ok(family) => family.id,
            Err(error) if error.is_refusal(Errno::NOENT) => return Err(OpenError::NoIpvs),
            Err(error) => return Err(error.into()),
        };
        // Other errors, such as a missing table or permission, show that nf_tables exists. `read` reports them.
        let is_missing = netfilter.execute(reader::get_table()).is_err_and(|error| lacks_nf_tables(&error));
        if is_missing { Err(OpenError::NoNfTables) } else { Ok(Self { generic, netfilter, family }) }
    }

    /// The version of IPVS.
    ///
    /// # Errors
    /// [`Error`].
    pub fn version(&mut self) -> Result<Version, Error> {
        let family = self.family;
        self.generic.query(settings::get_version(family), |message| settings::read_version(message, family))
    }

    /// All services, including those of other programs, without their servers.
    ///
    /// # Errors
    /// [`Error`].
    pub fn services(&mut self) -> Result<BTreeMap<ServiceKey, ListedService>, Error> {
        let family = self.family;
        let services = self.dump(service::list(family), |message| service::read(message, family))?;
        Ok(services.into_iter().map(|listed| (listed.key, listed)).collect())
    }

    /// Reads the kernel's state. It is read in several requests, between which other programs may change it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&mut self, owned: &OwnedMarks) -> Result<Snapshot, Error> {
        let family = self.family;
        let services = self.services()?;
        let mut destinations = BTreeMap::new();
        for key in services.keys().filter(|key| owned.owns(key)) {
            let read = |message: Message<'_>| destination::read(message, family, key.family());
            destinations.insert(*key, self.dump(destination::list(family, key), read)?);
        }
        let daemons = self.dump(daemon::list(family), |message| daemon::read(message, family))?;
        let timeouts = |message: Message<'_>| settings::read_timeouts(message, family);
        Ok(Snapshot {
            services,
            destinations,
            marks: read_marks(&mut self.netfilter)?,
            daemons: daemons.into_iter().map(|daemon| (daemon.role, daemon)).collect(),
            timeouts: self.generic.query(settings::get_timeouts(family), timeouts)?,
        })
    }

    /// Applies a change, and waits until it is in effect.
    ///
    /// # Errors
    /// [`Error`]. A refusal with `EEXIST`, `ENOENT` or `ESRCH` means that another program has changed the state: read
    /// it and plan again. When adding or changing a service, `ENOENT` can also mean that the scheduler does not exist.
    pub fn execute(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::ReplaceMarks(marks) => transact_bridged(&mut self.netfilter, marks.iter(), &batch::replace(marks)),
            Change::EditMarks { removed, added } if removed.is_empty() || added.is_empty() => {
                transact(&mut self.netfilter, &batch::edit(removed, added))
            }
            Change::EditMarks { removed, added } => {
                transact_bridged(&mut self.netfilter, added.iter().copied(), &batch::edit(removed, added))
            }
            Change::RemoveMarks => transact(&mut self.netfilter, &batch::remove()),
            Change::AddService(key, service) => self.generic.execute(service::add(self.family, key, service)),
            Change::SetService(key, service) => self.generic.execute(service::set(self.family, key, service)),
            Change::DeleteService(key) => self.generic.execute(service::delete(self.family, key)),
            Change::AddDestination(key, server, to) => {
                self.generic.execute(destination::add(self.family, key, server, to))
            }
            Change::SetDestination(key, server, to) => {
                self.generic.execute(destination::set(self.family, key, server, to))
            }
            Change::DeleteDestination(key, server) => {
                self.generic.execute(destination::delete(self.family, key, server))
            }
            Change::StopDaemon(role) => self.generic.execute(daemon::stop(self.family, *role)),
            Change::StartDaemon(daemon) => self.generic.execute(daemon::start(self.family, daemon)),
            Change::SetTimeouts(timeouts) => self.generic.execute(settings::set_timeouts(self.family, timeouts)),
        }
    }

    fn dump<T>(
        &mut self,
        request: Request,
        read: impl Fn(Message<'_>) -> Result<Option<T>, Malformed>,
    ) -> Result<Vec<T>, Error> {
        self.generic.dump(request, |list: &mut Vec<T>, message| {
            list.extend(read(message)?);
            Ok(())
        })
    }
}

impl KernelApi for Kernel {
    fn read(&mut self, owned: &OwnedMarks) -> Result<Snapshot, Error> {
        Self::read(self, owned)
    }

    fn execute(&mut self, change: &Change) -> Result<(), Error> {
        Self::execute(self, change)
    }
}

/// Returns whether netfilter has no nf_tables subsystem to handle the request. All other refusals, such as of a missing
/// table or permission, come from nf_tables.
fn lacks_nf_tables(error: &Error) -> bool {
    error.is_refusal(Errno::INVAL)
}

/// Reads the state of Weir's nf_tables table.
///
/// # Errors
/// [`Error`], for example when the kernel has no nf_tables.
pub fn read_marks(netfilter: &mut Socket) -> Result<MarkTable, Error> {
    let mut reader = TableReader::default();
    // Objects that do not exist are refused, and without the table all are: that is part of the state.
    let is_missing = |error: &Error| error.is_refusal(Errno::NOENT);
    let mut get = reader::get_table();
    get.add_flags(flags::ACKNOWLEDGE);
    match netfilter.exchange(&[get], |message| reader.push(message)) {
        Err(error) if !is_missing(&error) => return Err(error),
        _ => {}
    }
    let mut is_inconsistent = false;
    for request in reader::list_contents() {
        match netfilter.dump_with_consistency(request, |part: &mut TableReader, message| part.push(message)) {
            Ok((part, is_part_inconsistent)) => {
                reader.merge(part);
                is_inconsistent |= is_part_inconsistent;
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match reader.finish() {
        // Objects may be missing only from the dump: other programs, such as Docker, can change their tables
        // continuously.
        MarkTable::Modified if is_inconsistent => MarkTable::Inconsistent,
        state => state,
    })
}

/// Executes an nf_tables transaction, and waits until it is in effect.
///
/// # Errors
/// [`Error`]; then nothing was changed.
pub fn transact(netfilter: &mut Socket, requests: &[Request]) -> Result<(), Error> {
    netfilter.exchange(requests, |_| Ok(())).map(drop)
}

/// Executes an nf_tables transaction during which the kernel would not find these marks. For that time, a second table
/// has them.
///
/// # Errors
/// [`Error`].
fn transact_bridged(
    netfilter: &mut Socket,
    marks: impl Iterator<Item = (Endpoint, Mark)>,
    requests: &[Request],
) -> Result<(), Error> {
    // If the kernel refuses the second table, the change is made anyway; some new connections may be refused then.
    let has_bridge = transact(netfilter, &batch::bridge(marks)).is_ok();
    let outcome = transact(netfilter, requests);
    let removed = if has_bridge { transact(netfilter, &batch::remove_bridge()) } else { Ok(()) };
    outcome.and(removed)
}

#[cfg(test)]
mod tests {
    use weir_program::netlink::Refusal;

    use super::*;

    #[test]
    fn a_missing_ipvs_is_distinguished_from_other_errors() {
        match Kernel::open() {
            Ok(mut kernel) => drop(kernel.version()),
            Err(error) => assert!(matches!(error, OpenError::NoIpvs), "{error}"),
        }
    }

    #[test]
    fn a_missing_nf_tables_is_distinguished_from_a_missing_table() {
        let refusal = |errno: Errno| Error::Refused(Refusal { code: errno.raw_os_error(), explanation: None });
        assert!(lacks_nf_tables(&refusal(Errno::INVAL)));
        assert!(!lacks_nf_tables(&refusal(Errno::NOENT)) && !lacks_nf_tables(&refusal(Errno::PERM)));
        assert!(OpenError::NoNfTables.to_string().contains("modprobe nf_tables"));
    }
}
