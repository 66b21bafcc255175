//! Sockets with a mark, a hop limit and a source address.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::time::Instant;

use crate::source_ports::{SourcePort, SourcePorts};
use crate::{Failure, ProbeOptions};

/// Maximum number of ports to try for one that was not used for another server. If half of all ports were used for
/// other servers in the last quarter of an hour, 1 of 256 probes takes such a port: the least recently used of eight.
const TRIES: usize = 8;

/// Source ports of marked sockets. One record for all checks, since the ports are those of the machine.
static PORTS: Mutex<SourcePorts> = Mutex::new(SourcePorts::new());

/// Opens a socket for `target` without connecting it.
pub(super) fn open(target: SocketAddr, kind: Type, options: ProbeOptions) -> Result<Socket, Failure> {
    // Without a source address, the socket is not bound to a port yet.
    let Some((mark, _)) = options.mark.zip(options.source) else { return bind(target, kind, options) };
    let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let port = |socket: &Socket| {
        let bound = socket.local_addr().map_err(|error| Failure::local("cannot read the source port", &error))?;
        // A socket of `target`'s domain always has an IP address.
        let number = bound.as_socket().map_or(0, |address| address.port());
        Ok::<_, Failure>(SourcePort { is_ipv6: target.is_ipv6(), is_udp: kind == Type::DGRAM, number })
    };
    // All sockets are kept until one is chosen, so that no port is tried twice.
    let mut tried = Vec::new();
    for _ in 0..TRIES {
        let socket = bind(target, kind, options)?;
        let port = port(&socket)?;
        let last = ports.last_use_with_other_mark(port, mark);
        tried.push((last, port, socket));
        if last.is_none() {
            break;
        }
    }
    let oldest = tried.into_iter().min_by_key(|(last, ..)| *last);
    let (_, port, socket) = oldest.ok_or_else(|| Failure::Local("no free source port".to_owned()))?;
    ports.record(port, mark, Instant::now());
    Ok(socket)
}

/// Converts an error of a connection attempt. A missing route to a virtual address is local: it says nothing about the
/// servers that are checked through it.
pub(super) fn connect_failure(error: io::Error, options: ProbeOptions) -> Failure {
    let is_unreachable = error.raw_os_error() == Some(Errno::NETUNREACH.raw_os_error());
    if is_unreachable && options.mark.is_some() {
        return Failure::Local("no route to the virtual address".to_owned());
    }
    error.into()
}

fn bind(target: SocketAddr, kind: Type, options: ProbeOptions) -> Result<Socket, Failure> {
    let local = |what: &'static str| move |error: io::Error| Failure::local(what, &error);
    let socket =
        Socket::new(Domain::for_address(target), kind.nonblocking(), None).map_err(local("cannot open a socket"))?;
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(local("cannot set the mark (requires CAP_NET_ADMIN)"))?;
        // IPVS sees only this side's packets: it forgets a connection sooner when it is reset than when it is closed.
        if kind == Type::STREAM {
            socket.set_linger(Some(Duration::ZERO)).map_err(local("cannot set SO_LINGER"))?;
        }
    }
    if let Some(hops) = options.hops {
        let limit = if target.is_ipv4() { Socket::set_ttl_v4 } else { Socket::set_unicast_hops_v6 };
        limit(&socket, hops.into()).map_err(local("cannot set the hop limit"))?;
    }
    if let Some(source) = options.source {
        let bound = socket.bind(&SocketAddr::new(source, 0).into());
        bound.map_err(|error| Failure::Local(format!("cannot use source address {source}: {error}")))?;
    }
    Ok(socket)
}
