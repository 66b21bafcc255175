//! The socket: sends requests and receives the kernel's replies.
//!
//! All calls block, usually for microseconds: the kernel processes a request within the call that sends it.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use netlink_sys::protocols;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{
    Timeout, set_socket_send_buffer_size, set_socket_send_buffer_size_force, set_socket_timeout,
    socket_send_buffer_size,
};
use rustix::net::{RecvFlags, SendFlags, recvfrom, send};

use super::{Malformed, Message, Messages, Refusal, Reply, Request, flags};

/// Time limit for each datagram of a reply. The kernel takes microseconds.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Number of attempts for a dump that was interrupted by changes, or failed temporarily. If the objects change all the
/// time, the last dump is used although it may be inconsistent.
const ATTEMPTS: usize = 3;
/// Size of the receive buffer, in bytes. The kernel sends dumps in datagrams of at most 32 KiB.
const BUFFER_LENGTH: usize = 64 * 1024;
/// Send buffer space that the kernel needs in addition to the message, in bytes.
const SEND_OVERHEAD: usize = 32;

/// A netlink protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// rtnetlink(7): interfaces, addresses, routes.
    Route,
    /// sock_diag(7): the sockets of this machine.
    SocketDiagnostics,
    /// Netfilter, including nf_tables.
    Netfilter,
    /// Generic netlink, for subsystems without a protocol of their own.
    Generic,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the request. Nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The reply could not be parsed, or the request could not be encoded. The request may have been executed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The kernel did not reply in time. The request may have been executed.
    #[error("no reply from the kernel")]
    Timeout,
    /// The socket failed, for example for lack of memory. The request may have been executed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// Returns whether the kernel refused the request with `errno`.
    #[must_use]
    pub fn is_refusal(&self, errno: Errno) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is(errno))
    }

    /// Returns whether the error is temporary: the subsystem was busy, and a retry is likely to succeed.
    fn is_transient(&self) -> bool {
        [Errno::BUSY, Errno::INTR, Errno::AGAIN].iter().any(|errno| self.is_refusal(*errno))
            || matches!(self, Self::Io(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()))
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        if errno == Errno::AGAIN { Self::Timeout } else { Self::Io(errno.into()) }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Refused(ref refusal) => Self::new(Self::from_raw_os_error(refusal.code).kind(), error),
            Error::Timeout => Self::new(io::ErrorKind::TimedOut, error),
            Error::Malformed(_) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// A netlink socket.
pub struct Socket {
    protocol: Protocol,
    socket: netlink_sys::Socket,
    /// Sequence number of the last request.
    sequence: u32,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket")
            .field("protocol", &self.protocol)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Socket {
    /// Opens a socket. It stays in the network namespace that the calling thread is in now.
    ///
    /// # Errors
    /// The error of the kernel, for example when it lacks the protocol, or too many files are open.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        Ok(Self { protocol, socket: open(protocol)?, sequence: 0, buffer: vec![0; BUFFER_LENGTH] })
    }

    /// Sends `requests` in one datagram, which is one transaction in protocols that have transactions, and passes the
    /// data messages of the reply to `take`. Returns when the last request that asks for an acknowledgement or a dump
    /// is complete. The result is whether a dump was interrupted by changes.
    ///
    /// # Errors
    /// [`Error`]. The first refusal ends the exchange.
    pub fn exchange(
        &mut self,
        requests: &[Request],
        mut take: impl FnMut(Message<'_>) -> Result<(), Malformed>,
    ) -> Result<bool, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut last = None;
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(request.encode(self.sequence)?);
            if request.flags() & (flags::ACKNOWLEDGE | flags::DUMP) != 0 {
                last = Some(self.sequence);
            }
        }
        let last = last.ok_or(Malformed("no request asks for a reply"))?;
        self.send(&bytes)?;
        let mut is_interrupted = false;
        loop {
            // With a receive timeout, the kernel does not restart the call after a signal such as SIGCHLD.
            let (length, sent, from) =
                retry_on_intr(|| recvfrom(self.socket.as_fd(), &mut self.buffer[..], RecvFlags::TRUNC))?;
            if sent > length {
                return Err(Malformed("datagram exceeds the receive buffer").into());
            }
            // Other programs with CAP_NET_ADMIN can send to this socket: accept messages of the kernel (port 0) only.
            if from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_none_or(|from| from.pid() != 0) {
                continue;
            }
            for message in Messages(&self.buffer[..length]) {
                let message = message?;
                // Skip the rest of a reply to an earlier exchange that failed.
                if message.sequence.wrapping_sub(first) > last.wrapping_sub(first) {
                    continue;
                }
                is_interrupted |= message.flags & flags::INTERRUPTED != 0;
                match Reply::of(message)? {
                    Reply::Data(data) => take(data)?,
                    Reply::Refused(refusal) => return Err(Error::Refused(refusal)),
                    Reply::End if message.sequence == last => return Ok(is_interrupted),
                    Reply::End | Reply::Noop => {}
                }
            }
        }
    }

    /// Executes a request, and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`Error`].
    pub fn execute(&mut self, mut request: Request) -> Result<(), Error> {
        request.add_flags(flags::ACKNOWLEDGE);
        self.exchange(&[request], |_| Ok(())).map(drop)
    }

    /// Requests one object, and returns the first message that `read` recognises.
    ///
    /// # Errors
    /// [`Error`], also when `read` recognises no message of the reply.
    pub fn query<T>(
        &mut self,
        mut request: Request,
        mut read: impl FnMut(Message<'_>) -> Result<Option<T>, Malformed>,
    ) -> Result<T, Error> {
        request.add_flags(flags::ACKNOWLEDGE);
        let mut answer = None;
        self.exchange(&[request], |message| {
            if answer.is_none() {
                answer = read(message)?;
            }
            Ok(())
        })?;
        answer.ok_or(Error::Malformed(Malformed("reply contains no data")))
    }

    /// Dumps all objects. A dump that is interrupted by changes, or that fails temporarily, is repeated up to twice; if
    /// the last one is interrupted as well, it is returned although it may be inconsistent.
    ///
    /// # Errors
    /// [`Error`].
    pub fn dump<T: Default>(
        &mut self,
        request: Request,
        take: impl FnMut(&mut T, Message<'_>) -> Result<(), Malformed>,
    ) -> Result<T, Error> {
        self.dump_with_consistency(request, take).map(|(list, _)| list)
    }

    /// Dumps all objects as [`dump`](Self::dump) does, and returns in addition whether the dump may be inconsistent.
    ///
    /// # Errors
    /// [`Error`].
    pub fn dump_with_consistency<T: Default>(
        &mut self,
        mut request: Request,
        mut take: impl FnMut(&mut T, Message<'_>) -> Result<(), Malformed>,
    ) -> Result<(T, bool), Error> {
        request.add_flags(flags::DUMP);
        let mut attempt = 1;
        loop {
            let mut list = T::default();
            match self.exchange(std::slice::from_ref(&request), |message| take(&mut list, message)) {
                Ok(true) if attempt < ATTEMPTS => {}
                Ok(is_inconsistent) => return Ok((list, is_inconsistent)),
                // A new socket, since a socket cannot start a dump before its previous one has ended.
                Err(error) if error.is_transient() && attempt < ATTEMPTS => self.socket = open(self.protocol)?,
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let needed = bytes.len() + SEND_OVERHEAD;
        if needed > socket_send_buffer_size(&self.socket)? {
            // Exceeding the system's limit takes CAP_NET_ADMIN. Without it, sending the message reports the error.
            let forced = set_socket_send_buffer_size_force(&self.socket, needed);
            forced.or_else(|_| set_socket_send_buffer_size(&self.socket, needed))?;
        }
        retry_on_intr(|| send(&self.socket, bytes, SendFlags::empty()))?;
        Ok(())
    }
}

fn open(protocol: Protocol) -> io::Result<netlink_sys::Socket> {
    let socket = netlink_sys::Socket::new(match protocol {
        Protocol::Route => protocols::NETLINK_ROUTE,
        Protocol::SocketDiagnostics => protocols::NETLINK_SOCK_DIAG,
        Protocol::Netfilter => protocols::NETLINK_NETFILTER,
        Protocol::Generic => protocols::NETLINK_GENERIC,
    })?;
    set_socket_timeout(&socket, Timeout::Recv, Some(TIMEOUT))?;
    // Linux before 4.12 supports neither. Errors then echo the whole request and have no message, which is harmless.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CTRL_CMD_GETFAMILY`, version 1, to the generic netlink controller (linux/genetlink.h).
    fn family(name: &str) -> Request {
        let mut request = Request::new(16, 0).header(&[3, 1, 0, 0]);
        request.put_text(2, name);
        request
    }

    fn version(message: Message<'_>) -> Result<Option<u32>, Malformed> {
        let (_, attributes) = message.split_body::<4>()?;
        attributes.find_kind(3)?.map(|version| version.u32()).transpose()
    }

    #[test]
    fn a_query_returns_the_reply_or_the_error() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        assert_eq!(socket.query(family("nlctrl"), version).unwrap(), 2);
        let error = socket.query(family("no-such-family"), version).unwrap_err();
        assert!(error.is_refusal(Errno::NOENT), "{error}");
        // A failed query leaves no messages that the next one could mistake for its own.
        assert_eq!(socket.query(family("nlctrl"), version).unwrap(), 2);
    }

    #[test]
    fn a_dump_returns_all_objects() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        let request = Request::new(16, 0).header(&[3, 1, 0, 0]);
        let take = |names: &mut Vec<String>, message: Message<'_>| {
            let (_, attributes) = message.split_body::<4>()?;
            names.extend(attributes.find_kind(2)?.map(|name| name.text()).transpose()?.map(str::to_owned));
            Ok(())
        };
        let names = socket.dump(request.clone(), take).unwrap();
        assert!(names.iter().any(|name| name == "nlctrl"), "{names:?}");
        assert_eq!(socket.dump(request, take).unwrap(), names);
    }

    #[test]
    fn a_refusal_includes_the_kernels_message() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        // An attribute of the wrong length: a family identifier has 16 bits.
        let mut request = Request::new(16, 0).header(&[3, 1, 0, 0]);
        request.put(1, &[0; 1]);
        let Err(Error::Refused(refusal)) = socket.execute(request) else { panic!("the kernel accepted it") };
        assert!(refusal.explanation.is_some(), "{refusal}");
    }

    #[test]
    fn a_request_without_a_reply_is_not_sent() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        assert!(matches!(socket.exchange(&[family("nlctrl")], |_| Ok(())), Err(Error::Malformed(_))));
    }
}
