//! Addresses to listen on, and sockets that are bound to them.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::ListenAddress;

/// Connections that the kernel keeps for a thread that is busy. A burst of clients beyond it is retried by their
/// systems after a second.
pub const BACKLOG: i32 = 4096;

/// Binds one TCP socket, and listens.
///
/// # Errors
/// When the address is taken, is not this machine's, or is not allowed.
pub fn bind_tcp(address: ListenAddress) -> io::Result<TcpListener> {
    first_that_binds(address, |address| {
        let socket = tcp_socket(address)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
}

/// Binds one UDP socket, for which the kernel keeps `buffer` bytes of datagrams that have not been read yet, or fewer if
/// the system does not allow as many (`net.core.rmem_max`).
///
/// # Errors
/// As [`bind_tcp`].
pub fn bind_udp(address: ListenAddress, buffer: usize) -> io::Result<UdpSocket> {
    first_that_binds(address, |address| {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        // It works with a smaller one as well.
        let _ = socket.set_recv_buffer_size(buffer);
        socket.bind(&address.into())?;
        Ok(socket.into())
    })
}

/// Binds the first of the candidates of an address whose family the kernel has.
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

/// Whether the kernel has no IPv6, or this machine no IPv6 address at all, so that IPv4 is to be tried.
fn is_missing_family(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// A TCP socket for this address that does not block.
///
/// # Errors
/// When the system has no socket of this family, or none left.
pub fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    socket(address, Type::STREAM, Protocol::TCP)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // The unspecified IPv6 address stands for every address of the machine, IPv4's too.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
