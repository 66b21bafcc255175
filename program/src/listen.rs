//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::ListenAddress;

/// Connections that the kernel queues while a thread is busy. Clients beyond that retry their SYN after a second.
pub const BACKLOG: i32 = 4096;

/// Binds a TCP socket and listens on it.
///
/// # Errors
/// Those of bind(2): the address is in use, does not belong to this machine, or needs a privilege.
pub fn bind_tcp(address: ListenAddress) -> io::Result<TcpListener> {
    first_that_binds(address, |address| {
        let socket = tcp_socket(address)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
}

/// Binds a UDP socket with a receive buffer of `buffer` bytes, or of `net.core.rmem_max` where that is less.
///
/// # Errors
/// As [`bind_tcp`].
pub fn bind_udp(address: ListenAddress, buffer: usize) -> io::Result<UdpSocket> {
    first_that_binds(address, |address| {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        // A smaller buffer works as well.
        let _ = socket.set_recv_buffer_size(buffer);
        socket.bind(&address.into())?;
        Ok(socket.into())
    })
}

/// Binds the first candidate of an address whose address family is available.
///
/// # Errors
/// Those of `bind`.
pub fn first_that_binds<T>(address: ListenAddress, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in address.candidates() {
        match bind(candidate) {
            Err(error) if is_missing_family(&error) => failed = error,
            outcome => return outcome,
        }
    }
    Err(failed)
}

/// Returns whether the kernel has no IPv6, or the machine no IPv6 address, so that IPv4 must be tried.
fn is_missing_family(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Opens a non-blocking TCP socket for the family of this address.
///
/// # Errors
/// Those of socket(2): the family is not available, or no file descriptor is left.
pub fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    socket(address, Type::STREAM, Protocol::TCP)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // On the unspecified address the socket also accepts IPv4.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
