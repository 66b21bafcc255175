//! The socket: sends requests, and receives what the kernel answers to them.
//!
//! Everything here blocks, mostly for microseconds: the kernel does what it is asked for within the call that sends it.

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

use super::{Answer, Malformed, Message, Messages, Refusal, Request, flags};

/// How long the kernel may take for one part of its answer; it takes microseconds.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often a list is asked for when it changed while it was made, or could not be made. Where it changes all the time,
/// the last one, which is off by what changed, has to do.
const ATTEMPTS: usize = 3;
/// Bytes of a datagram of the kernel: it makes lists in parts of at most 32 KiB.
const BUFFER_LENGTH: usize = 64 * 1024;
/// What the kernel needs of a socket's buffer beside the bytes of a message.
const SEND_OVERHEAD: usize = 32;

/// Whom in the kernel a socket talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// rtnetlink(7): interfaces, addresses, routes.
    Route,
    /// sock_diag(7): which sockets there are.
    SocketDiagnostics,
    /// Netfilter, of which nf_tables is a part.
    Netfilter,
    /// Generic netlink, for all that have no protocol of their own.
    Generic,
}

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused it; nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer cannot be read, or the request could not be written. What was asked for may have been done.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The kernel did not answer in time. What was asked for may have been done.
    #[error("the kernel does not answer")]
    Timeout,
    /// The socket failed, such as for want of memory. What was asked for may have been done.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// Whether the kernel refused it with this error.
    #[must_use]
    pub fn is_refusal(&self, errno: Errno) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is(errno))
    }

    /// Whether the answer could not be made now, for others were asking or changing, but can be had by asking again.
    fn is_passing(&self) -> bool {
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

/// A socket to the kernel.
pub struct Socket {
    protocol: Protocol,
    socket: netlink_sys::Socket,
    /// The number of the request before.
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
    /// A socket that belongs to the network namespace of the calling thread, for good.
    ///
    /// # Errors
    /// What the kernel says, such as that it has no such protocol, or that there are too many files.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        Ok(Self { protocol, socket: open(protocol)?, sequence: 0, buffer: vec![0; BUFFER_LENGTH] })
    }

    /// Sends `requests` at once, as one transaction where the protocol has transactions, and hands over what the kernel
    /// answers, until the last request that wants an end (an acknowledgement, or that of a list) has it. `true` when what
    /// was listed changed meanwhile.
    ///
    /// # Errors
    /// [`Error`]; the first refusal ends it.
    pub fn exchange(
        &mut self,
        requests: &[Request],
        mut take: impl FnMut(Message<'_>) -> Result<(), Malformed>,
    ) -> Result<bool, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut awaited = None;
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(request.encode(self.sequence)?);
            if request.flags() & (flags::ACKNOWLEDGE | flags::DUMP) != 0 {
                awaited = Some(self.sequence);
            }
        }
        let awaited = awaited.ok_or(Malformed("nothing in it asks for an answer"))?;
        self.send(&bytes)?;
        let mut is_interrupted = false;
        loop {
            // With a time limit the call does not go on by itself after a signal, such as that a child has ended.
            let (length, sent, from) =
                retry_on_intr(|| recvfrom(self.socket.as_fd(), &mut self.buffer[..], RecvFlags::TRUNC))?;
            if sent > length {
                return Err(Malformed("a datagram is longer than any of the kernel's").into());
            }
            // Other programs with the right to administer the network could send here, too.
            if from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_none_or(|from| from.pid() != 0) {
                continue;
            }
            for message in Messages(&self.buffer[..length]) {
                let message = message?;
                // What is left of an exchange that failed is no part of this one.
                if message.sequence.wrapping_sub(first) > awaited.wrapping_sub(first) {
                    continue;
                }
                is_interrupted |= message.flags & flags::INTERRUPTED != 0;
                match Answer::of(message)? {
                    Answer::Data(data) => take(data)?,
                    Answer::Refused(refusal) => return Err(Error::Refused(refusal)),
                    Answer::End if message.sequence == awaited => return Ok(is_interrupted),
                    Answer::End | Answer::Nothing => {}
                }
            }
        }
    }

    /// Asks the kernel to do something, and waits until it is done.
    ///
    /// # Errors
    /// [`Error`].
    pub fn tell(&mut self, mut request: Request) -> Result<(), Error> {
        request.add_flags(flags::ACKNOWLEDGE);
        self.exchange(&[request], |_| Ok(())).map(drop)
    }

    /// Asks the kernel for one thing; the first answer that `read` makes something of.
    ///
    /// # Errors
    /// [`Error`], also when there was nothing to make something of.
    pub fn ask<T>(
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
        answer.ok_or(Error::Malformed(Malformed("nothing was answered")))
    }

    /// Asks the kernel for a list. When the list changes while it is made, or cannot be made, the kernel is asked again a
    /// few times; the last list is then given, off by what changed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn list<T: Default>(
        &mut self,
        request: Request,
        take: impl FnMut(&mut T, Message<'_>) -> Result<(), Malformed>,
    ) -> Result<T, Error> {
        self.list_with_doubt(request, take).map(|(list, _)| list)
    }

    /// The same, with whether the list that is given is off.
    ///
    /// # Errors
    /// [`Error`].
    pub fn list_with_doubt<T: Default>(
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
                Ok(is_off) => return Ok((list, is_off)),
                // A socket of its own, since one makes no second list before the first is at its end.
                Err(error) if error.is_passing() && attempt < ATTEMPTS => self.socket = open(self.protocol)?,
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let needed = bytes.len() + SEND_OVERHEAD;
        if needed > socket_send_buffer_size(&self.socket)? {
            // Beyond the limit of the system only with rights; without them the message itself will be refused.
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
    // Linux before 4.12 can neither: then a refusal repeats the request, and says nothing in words.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CTRL_CMD_GETFAMILY` of version 1 to the controller of generic netlink (linux/genetlink.h).
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
    fn the_kernel_answers_what_it_is_asked() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        assert_eq!(socket.ask(family("nlctrl"), version).unwrap(), 2);
        let error = socket.ask(family("no-such-family"), version).unwrap_err();
        assert!(error.is_refusal(Errno::NOENT), "{error}");
        // What failed leaves nothing behind that the next could take for its own.
        assert_eq!(socket.ask(family("nlctrl"), version).unwrap(), 2);
    }

    #[test]
    fn the_kernel_lists_what_it_is_asked() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        let request = Request::new(16, 0).header(&[3, 1, 0, 0]);
        let take = |names: &mut Vec<String>, message: Message<'_>| {
            let (_, attributes) = message.split_body::<4>()?;
            names.extend(attributes.find_kind(2)?.map(|name| name.text()).transpose()?.map(str::to_owned));
            Ok(())
        };
        let names = socket.list(request.clone(), take).unwrap();
        assert!(names.iter().any(|name| name == "nlctrl"), "{names:?}");
        assert_eq!(socket.list(request, take).unwrap(), names);
    }

    #[test]
    fn the_words_of_the_kernel_are_passed_on() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        // An attribute of the wrong length: a family's number has 16 bits.
        let mut request = Request::new(16, 0).header(&[3, 1, 0, 0]);
        request.put(1, &[0; 1]);
        let Err(Error::Refused(refusal)) = socket.tell(request) else { panic!("the kernel took it") };
        assert!(refusal.explanation.is_some(), "{refusal}");
    }

    #[test]
    fn a_request_that_wants_no_answer_is_not_sent() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        assert!(matches!(socket.exchange(&[family("nlctrl")], |_| Ok(())), Err(Error::Malformed(_))));
    }
}
