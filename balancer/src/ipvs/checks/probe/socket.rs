//! Sockets with a mark, and from a given address.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::ipvs::checks::{Failure, ProbeOptions};

/// A socket that speaks to `target`, and is not connected yet.
pub(super) fn open(target: SocketAddr, kind: Type, options: ProbeOptions) -> Result<Socket, Failure> {
    let ours = |what: &'static str| move |error: io::Error| Failure::ours(what, &error);
    let socket = Socket::new(Domain::for_address(target), kind.nonblocking(), None).map_err(ours("no socket"))?;
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(ours("it cannot be marked (this takes CAP_NET_ADMIN)"))?;
    }
    if let Some(source) = options.source {
        let bound = socket.bind(&SocketAddr::new(source, 0).into());
        bound.map_err(|error| Failure::Ours(format!("{source} is no source address: {error}")))?;
    }
    Ok(socket)
}
