//! Sockets with a mark, and from a given address.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::time::Instant;

use crate::ports::{Port, Ports};
use crate::{Failure, ProbeOptions};

/// So many ports are tried at most for one that no other server was asked from. When half of all were used for others in the
/// last quarter of an hour, one of 256 probes takes one of these, the oldest of eight.
const TRIES: usize = 8;

/// The ports of this machine that marked sockets had: there is one such set for all checks, whoever makes them.
static PORTS: Mutex<Ports> = Mutex::new(Ports::new());

/// A socket that speaks to `target`, and is not connected yet.
pub(super) fn open(target: SocketAddr, kind: Type, options: ProbeOptions) -> Result<Socket, Failure> {
    // Without an address it has no port yet.
    let Some((mark, _)) = options.mark.zip(options.source) else { return bind(target, kind, options) };
    let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let port = |socket: &Socket| -> io::Result<Port> {
        let number = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        Ok(Port { is_ipv6: target.is_ipv6(), is_udp: kind == Type::DGRAM, number })
    };
    // All are kept until one is chosen, so that none is tried twice.
    let mut tried = Vec::new();
    for _ in 0..TRIES {
        let socket = bind(target, kind, options)?;
        let port = port(&socket)?;
        let last = ports.used_otherwise(port, mark);
        tried.push((last, port, socket));
        if last.is_none() {
            break;
        }
    }
    let oldest = tried.into_iter().min_by_key(|(last, ..)| *last);
    let (_, port, socket) = oldest.ok_or_else(|| Failure::Ours("there is no port".to_owned()))?;
    ports.use_with(port, mark, Instant::now());
    Ok(socket)
}

/// Why there is no connection. That this machine knows no way to a virtual address says nothing about the servers that are
/// asked through it.
pub(super) fn unconnected(error: io::Error, options: ProbeOptions) -> Failure {
    let is_lost = error.raw_os_error() == Some(Errno::NETUNREACH.raw_os_error());
    if is_lost && options.mark.is_some() {
        return Failure::Ours("this machine has no route to the virtual address".to_owned());
    }
    error.into()
}

fn bind(target: SocketAddr, kind: Type, options: ProbeOptions) -> Result<Socket, Failure> {
    let ours = |what: &'static str| move |error: io::Error| Failure::ours(what, &error);
    let socket = Socket::new(Domain::for_address(target), kind.nonblocking(), None).map_err(ours("no socket"))?;
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(ours("it cannot be marked (this takes CAP_NET_ADMIN)"))?;
        // Reset rather than closed, it is soon forgotten by IPVS, which hears only this side.
        if kind == Type::STREAM {
            socket.set_linger(Some(Duration::ZERO)).map_err(ours("no socket"))?;
        }
    }
    if let Some(hops) = options.hops {
        let limit = if target.is_ipv4() { Socket::set_ttl_v4 } else { Socket::set_unicast_hops_v6 };
        limit(&socket, hops.into()).map_err(ours("no socket"))?;
    }
    if let Some(source) = options.source {
        let bound = socket.bind(&SocketAddr::new(source, 0).into());
        bound.map_err(|error| Failure::Ours(format!("{source} is no source address: {error}")))?;
    }
    Ok(socket)
}
