//! The kernel: reads what there is, and makes changes. Everything here blocks, for less than a millisecond as a rule.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use weir_program::netlink::{Error, Malformed, Message, Protocol, Request, Socket, flags};

use super::model::{Daemon, Installed, Mark, Owned, Packets, Role, ServiceKey, Timeouts, VirtualService};
use super::netlink::generic::{self, find_family};
use super::netlink::ipvs::{self, Version, destination, service, settings};
use super::netlink::ipvs::{ListedDestination, ListedService, daemon};
use super::netlink::nftables::batch;
use super::netlink::nftables::reading::{self, Reading};
use super::plan::{Actual, Change};

/// Why there is no kernel mode.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The module of IPVS is not loaded, or there is none. The kernel does not load it by itself when it is asked for it.
    #[error(
        "the kernel has no IPVS: load it with `modprobe ip_vs`, and at each start by a line `ip_vs` in /etc/modules"
    )]
    NoIpvs,
    /// The module of nf_tables, by which packets get their marks, is neither loaded nor found by the kernel.
    #[error(
        "the kernel has no nf_tables, which marks packets: load it with `modprobe nf_tables`, and at each start by a line \
         `nf_tables` in /etc/modules"
    )]
    NoNfTables,
    /// Something else went wrong.
    #[error("the kernel cannot be asked for IPVS: {0}")]
    Kernel(#[from] Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Kernel(error.into())
    }
}

/// A kernel that is read and changed: the real one, or one for tests.
pub(crate) trait Steered {
    /// Reads what there is.
    ///
    /// # Errors
    /// [`Error`].
    fn read(&mut self, owned: &Owned) -> Result<Snapshot, Error>;

    /// Makes a change, and waits until it is made.
    ///
    /// # Errors
    /// [`Error`].
    fn make(&mut self, change: &Change) -> Result<(), Error>;
}

/// The sockets by which IPVS and nf_tables are told, in the network namespace of the thread that opened them.
#[derive(Debug)]
pub struct Kernel {
    generic: Socket,
    netfilter: Socket,
    /// The number of IPVS's family. A module that is loaded anew may have another.
    family: u16,
}

/// What there is in the kernel, with what was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All services, other programs' too.
    pub services: BTreeMap<ServiceKey, ListedService>,
    /// The servers of Weir's services.
    pub destinations: BTreeMap<ServiceKey, Vec<ListedDestination>>,
    /// The table that marks packets.
    pub marks: Installed,
    /// The exchange of connections.
    pub daemons: BTreeMap<Role, Daemon>,
    /// The time-outs.
    pub timeouts: Timeouts,
}

impl Snapshot {
    /// What there is, without what was counted. Services of other programs have no servers in it.
    #[must_use]
    pub fn actual(&self) -> Actual {
        let table = self.services.iter().map(|(key, listed)| {
            let servers = self.destinations.get(key).into_iter().flatten();
            let destinations = servers.map(|listed| (listed.server, listed.destination)).collect();
            (*key, VirtualService { service: listed.service.clone(), destinations })
        });
        let (marks, daemons) = (self.marks.clone(), self.daemons.clone());
        Actual { table: table.collect(), marks, daemons, timeouts: self.timeouts }
    }
}

impl Kernel {
    /// Opens the sockets. Needs no rights; to read and change what there is needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open() -> Result<Self, OpenError> {
        let mut generic = Socket::open(Protocol::Generic)?;
        let mut netfilter = Socket::open(Protocol::Netfilter)?;
        let family = match generic.ask(find_family(ipvs::FAMILY), generic::read_family) {
            Ok(family) => family.id,
            Err(error) if error.is_refusal(Errno::NOENT) => return Err(OpenError::NoIpvs),
            Err(error) => return Err(error.into()),
        };
        let is_missing = netfilter.tell(reading::get_table()).is_err_and(|error| lacks_nf_tables(&error));
        if is_missing { Err(OpenError::NoNfTables) } else { Ok(Self { generic, netfilter, family }) }
    }

    /// What the kernel says of its IPVS.
    ///
    /// # Errors
    /// [`Error`], here and below.
    pub fn version(&mut self) -> Result<Version, Error> {
        let family = self.family;
        self.generic.ask(settings::get_version(family), |message| settings::read_version(message, family))
    }

    /// Reads what there is. It is read piece by piece: what others change meanwhile may be in it by half.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&mut self, owned: &Owned) -> Result<Snapshot, Error> {
        let family = self.family;
        let services = self.list(service::list(family), |message| service::read(message, family))?;
        let services: BTreeMap<_, _> = services.into_iter().map(|listed| (listed.key, listed)).collect();
        let mut destinations = BTreeMap::new();
        for key in services.keys().filter(|key| owned.owns(key)) {
            let read = |message: Message<'_>| destination::read(message, family, key.family());
            destinations.insert(*key, self.list(destination::list(family, key), read)?);
        }
        let daemons = self.list(daemon::list(family), |message| daemon::read(message, family))?;
        let timeouts = |message: Message<'_>| settings::read_timeouts(message, family);
        Ok(Snapshot {
            services,
            destinations,
            marks: read_marks(&mut self.netfilter)?,
            daemons: daemons.into_iter().map(|daemon| (daemon.role, daemon)).collect(),
            timeouts: self.generic.ask(settings::get_timeouts(family), timeouts)?,
        })
    }

    /// Makes a change, and waits until it is made.
    ///
    /// # Errors
    /// [`Error`]. A refusal with `EEXIST`, `ENOENT` or `ESRCH` says that others have been at work: read and plan anew.
    /// `ENOENT` for a service that is added or changed may also say that there is no such scheduler.
    pub fn make(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::ReplaceMarks(marks) => transact_bridged(&mut self.netfilter, marks.iter(), &batch::replace(marks)),
            Change::EditMarks { removed, added } if removed.is_empty() || added.is_empty() => {
                transact(&mut self.netfilter, &batch::edit(removed, added))
            }
            Change::EditMarks { removed, added } => {
                transact_bridged(&mut self.netfilter, added.iter().copied(), &batch::edit(removed, added))
            }
            Change::RemoveMarks => transact(&mut self.netfilter, &batch::remove()),
            Change::AddService(key, service) => self.tell(service::add(self.family, key, service)),
            Change::SetService(key, service) => self.tell(service::set(self.family, key, service)),
            Change::DeleteService(key) => self.tell(service::delete(self.family, key)),
            Change::AddDestination(key, server, to) => self.tell(destination::add(self.family, key, server, to)),
            Change::SetDestination(key, server, to) => self.tell(destination::set(self.family, key, server, to)),
            Change::DeleteDestination(key, server) => self.tell(destination::delete(self.family, key, server)),
            Change::StopDaemon(role) => self.tell(daemon::stop(self.family, *role)),
            Change::StartDaemon(wanted) => self.tell(daemon::start(self.family, wanted)),
            Change::SetTimeouts(timeouts) => self.tell(settings::set_timeouts(self.family, timeouts)),
        }
    }

    fn tell(&mut self, request: Request) -> Result<(), Error> {
        self.generic.tell(request)
    }

    fn list<T>(
        &mut self,
        request: Request,
        read: impl Fn(Message<'_>) -> Result<Option<T>, Malformed>,
    ) -> Result<Vec<T>, Error> {
        self.generic.list(request, |list: &mut Vec<T>, message| {
            list.extend(read(message)?);
            Ok(())
        })
    }
}

impl Steered for Kernel {
    fn read(&mut self, owned: &Owned) -> Result<Snapshot, Error> {
        Self::read(self, owned)
    }

    fn make(&mut self, change: &Change) -> Result<(), Error> {
        Self::make(self, change)
    }
}

/// Whether this is the answer of a netfilter without nf_tables, which knows nobody that the request could be for. Whatever
/// else there is to refuse, such as that there is no table or no right to ask, tells that there are.
fn lacks_nf_tables(error: &Error) -> bool {
    error.is_refusal(Errno::INVAL)
}

/// What there is of the table that marks packets.
///
/// # Errors
/// [`Error`], such as that the kernel has no nf_tables.
pub fn read_marks(netfilter: &mut Socket) -> Result<Installed, Error> {
    let mut state = Reading::default();
    // Whatever is not there is refused, and so is everything when the table is not: that, too, is what there is.
    let is_missing = |error: &Error| error.is_refusal(Errno::NOENT);
    let mut get = reading::get_table();
    get.add_flags(flags::ACKNOWLEDGE);
    match netfilter.exchange(&[get], |message| state.take(message)) {
        Err(error) if !is_missing(&error) => return Err(error),
        _ => {}
    }
    let mut is_off = false;
    for request in reading::list_contents() {
        match netfilter.list_with_doubt(request, |part: &mut Reading, message| part.take(message)) {
            Ok((part, is_part_off)) => {
                state.add(part);
                is_off |= is_part_off;
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match state.finish() {
        // What is missing may be there all the same: others, such as Docker, change their tables without a pause.
        Installed::Damaged if is_off => Installed::Uncertain,
        installed => installed,
    })
}

/// Makes a transaction of nf_tables, and waits until it holds.
///
/// # Errors
/// [`Error`]; then nothing was changed.
pub fn transact(netfilter: &mut Socket, requests: &[Request]) -> Result<(), Error> {
    netfilter.exchange(requests, |_| Ok(())).map(drop)
}

/// The same of one in whose midst the kernel would not find these marks: meanwhile they stand in a second table.
///
/// # Errors
/// [`Error`].
fn transact_bridged(
    netfilter: &mut Socket,
    marks: impl Iterator<Item = (Packets, Mark)>,
    requests: &[Request],
) -> Result<(), Error> {
    // A kernel that does not know such tables makes the change all the same; some new connections may be refused then.
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
    fn a_kernel_without_ipvs_is_told_from_one_that_cannot_be_asked() {
        match Kernel::open() {
            Ok(mut kernel) => drop(kernel.version()),
            Err(error) => assert!(matches!(error, OpenError::NoIpvs), "{error}"),
        }
    }

    #[test]
    fn a_kernel_without_nf_tables_is_told_from_one_without_the_table() {
        let refusal = |errno: Errno| Error::Refused(Refusal { code: errno.raw_os_error(), explanation: None });
        assert!(lacks_nf_tables(&refusal(Errno::INVAL)));
        assert!(!lacks_nf_tables(&refusal(Errno::NOENT)) && !lacks_nf_tables(&refusal(Errno::PERM)));
        assert!(OpenError::NoNfTables.to_string().contains("modprobe nf_tables"));
    }
}
