//! The check of one server by hand, with what the kernel has for that: a balancer that checks the server through a virtual
//! address has made it.

use std::net::IpAddr;

use weir_checks::ProbeOptions;
use weir_program::netlink;

use super::{Lead, Paths};
use crate::kernel::{Kernel, OpenError};
use crate::model::{Mark, MarkRange, Owned};

/// Why a server cannot be asked through a virtual address from here.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// There is no IPVS.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel cannot be read.
    #[error("the kernel cannot be read (this takes CAP_NET_ADMIN): {0}")]
    Read(#[from] netlink::Error),
    /// Nobody made a service with this one server.
    #[error(
        "the kernel has nothing that leads to {0} alone: a balancer that checks it with `through_address` has to run here"
    )]
    NotLed(IpAddr),
    /// The server would drop what comes from a virtual address.
    #[error("this machine has no address of its own to ask {0} from: give one")]
    NoSource(IpAddr),
}

/// How the server is asked through this virtual address, from `source` if that is given.
///
/// # Errors
/// [`Unreachable`].
pub fn options(server: IpAddr, through: IpAddr, source: Option<IpAddr>) -> Result<ProbeOptions, Unreachable> {
    let every = Mark::new(1).zip(Mark::new(u32::MAX)).and_then(|(first, last)| MarkRange::new(first, last));
    let every = every.unwrap_or(MarkRange::DEFAULT);
    let table = Kernel::open()?.read(&Owned::new(every, []))?.actual().table;
    let leads = table.iter().filter_map(|(key, service)| Lead::read(key, service));
    // One that forgets datagrams does for TCP as well.
    let (lead, mark) = leads.into_iter().find(|(lead, _)| lead.server == server).ok_or(Unreachable::NotLed(server))?;
    let source = match source {
        Some(source) => source,
        None => Paths::open([through].into())?.to(server, &[])?.source.ok_or(Unreachable::NoSource(server))?,
    };
    Ok(lead.options(mark, source))
}
