//! A single check through the virtual address, started manually. It uses the probe service of a balancer that runs on
//! the same machine.

use std::net::IpAddr;

use weir_checks::ProbeOptions;
use weir_program::netlink;

use super::{ProbeService, Routes};
use crate::kernel::{Kernel, OpenError};
use crate::model::{MarkRange, OwnedMarks};

/// Why a server cannot be probed through the virtual address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// IPVS or nf_tables is missing.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel's state cannot be read.
    #[error("kernel state cannot be read (CAP_NET_ADMIN is required): {0}")]
    Read(#[from] netlink::Error),
    /// The server has no probe service.
    #[error(
        "the kernel has no probe service for {0}; a balancer that checks it with `through_address` must run on this machine"
    )]
    NoProbeService(IpAddr),
    /// All addresses of this machine are virtual. The server would drop packets from them.
    #[error("this machine has no address from which to probe {0}; give one")]
    NoSource(IpAddr),
}

/// Options for a probe of `server` through the virtual address `through`, from `source` if given.
///
/// # Errors
/// [`Error`].
pub fn options(server: IpAddr, through: IpAddr, source: Option<IpAddr>) -> Result<ProbeOptions, Error> {
    let table = Kernel::open()?.read(&OwnedMarks::new(MarkRange::ALL, []))?.actual().table;
    let mut probe_services = table.iter().filter_map(|(key, service)| ProbeService::read(key, service));
    // One with one-packet scheduling serves TCP as well.
    let (probe_service, mark) = probe_services
        .find(|(probe_service, _)| probe_service.server == server)
        .ok_or(Error::NoProbeService(server))?;
    let source = match source {
        Some(source) => source,
        None => Routes::open([through].into())?.to(server, &[])?.source.ok_or(Error::NoSource(server))?,
    };
    Ok(probe_service.options(mark, source))
}
