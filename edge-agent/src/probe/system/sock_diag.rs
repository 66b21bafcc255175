//! Established TCP connections on given ports, counted over netlink (sock_diag(7)).
//!
//! The kernel is asked once, with a filter that it runs itself: of 100,000 connections only those on the ports come back,
//! and nothing in `/proc` has to be formatted and parsed. Each comes with a cookie, a number that the kernel gives to no
//! other socket.
//!
//! The kernel walks its table of all TCP sockets for that, those in TIME_WAIT included, whatever the filter. The request
//! is therefore the older of the two kinds that there are, `TCPDIAG_GETSOCK`: it is for every family of addresses, where
//! the newer, `SOCK_DIAG_BY_FAMILY`, takes a walk for IPv4 and another for IPv6.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

/// `NLMSG_ERROR`, `NLMSG_DONE` (linux/netlink.h) and `TCPDIAG_GETSOCK` (linux/inet_diag.h), which the answers have, too.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const GET_SOCKETS: u16 = 18;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP_REQUEST: u16 = 0x301;
/// `NLM_F_DUMP_INTR`: the table changed while it was walked, so the count may be off.
const INTERRUPTED: u16 = 0x10;
/// Bytes of a message's header (`struct nlmsghdr`), and of the request behind it (`struct inet_diag_req`).
const HEADER_LENGTH: usize = 16;
const REQUEST_LENGTH: usize = 60;
/// `INET_DIAG_REQ_BYTECODE`, and its operations `JMP` and `S_EQ` (linux/inet_diag.h; `S_EQ` is in Linux 4.16 and later).
const ATTRIBUTE_FILTER: u16 = 1;
const OPERATION_JUMP: u8 = 1;
const OPERATION_SOURCE_EQUALS: u8 = 11;
/// Bytes of an operation.
const OPERATION_LENGTH: u16 = 4;

/// The bit of `TCP_ESTABLISHED`.
const ESTABLISHED: u32 = 1 << 1;

/// How long the kernel may take for one part of its answer; it takes microseconds.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often a dump is begun anew when the table changed under it. On a busy host it changes always; then the last count,
/// which is off by what changed, has to do.
const ATTEMPTS: usize = 3;

/// Most connections whose cookies are kept: 8 MiB for each of the two looks that are compared. An edge with more is rare,
/// and its connections are still counted.
const MAX_COOKIES: usize = 1 << 20;

/// Where in a socket's message its cookie is: behind the header, in `struct inet_diag_msg` (linux/inet_diag.h).
const COOKIE: std::ops::Range<usize> = HEADER_LENGTH + 44..HEADER_LENGTH + 52;

/// Established connections.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Established {
    /// How many.
    pub count: u64,
    /// Their cookies, sorted; `None` when there are more than are kept.
    pub cookies: Option<Vec<u64>>,
}

/// The established TCP connections, IPv4 and IPv6, whose local port is one of `ports`.
///
/// # Errors
/// What the kernel says, such as that it has no `inet_diag` module.
pub fn established(ports: &[u16]) -> io::Result<Established> {
    if ports.is_empty() {
        return Ok(Found::default().into());
    }
    let request = request(ports);
    let mut buffer = vec![0; 64 * 1024];
    let mut answer = Answer::default();
    for _ in 0..ATTEMPTS {
        // A socket of its own for each attempt: what is left of one that failed can never be counted in the next.
        let socket = open()?;
        send(&socket, &request, SendFlags::empty())?;
        answer = Answer::default();
        while !answer.done {
            let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            answer.take_in(&buffer[..length])?;
        }
        if !answer.interrupted {
            break;
        }
    }
    Ok(answer.found.into())
}

fn open() -> io::Result<OwnedFd> {
    let family = AddressFamily::NETLINK;
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(TIMEOUT))?;
    Ok(socket)
}

/// The request for all established connections on any of `ports`.
fn request(ports: &[u16]) -> Vec<u8> {
    let filter = filter(ports);
    let length = HEADER_LENGTH + REQUEST_LENGTH + 4 + filter.len();
    let mut request = Vec::with_capacity(length);
    // Lengths are far below their types' limits: a filter has 12 bytes a port, and there are 65,535 ports.
    #[expect(clippy::cast_possible_truncation, reason = "at most 786,500")]
    request.extend((length as u32).to_ne_bytes());
    request.extend(GET_SOCKETS.to_ne_bytes());
    request.extend(DUMP_REQUEST.to_ne_bytes());
    request.extend([0; 8]); // sequence, port id
    request.extend([0; 52]); // any family, no particular socket
    request.extend(ESTABLISHED.to_ne_bytes());
    request.extend([0; 4]); // no particular tables
    #[expect(clippy::cast_possible_truncation, reason = "see MAX_PORTS")]
    request.extend((4 + filter.len() as u16).to_ne_bytes());
    request.extend(ATTRIBUTE_FILTER.to_ne_bytes());
    request.extend(filter);
    request
}

/// A program for the kernel that accepts a connection whose local port is one of `ports`.
///
/// Each operation says how far to go on when it holds and when it does not. To come out at the very end is to accept,
/// beyond it to reject. So for each port: if it is that port go on to a jump to the end, else to the next port; the last
/// has no jump behind it, and goes beyond the end if it is another port.
fn filter(ports: &[u16]) -> Vec<u8> {
    let ports = &ports[..ports.len().min(MAX_PORTS)];
    let compare = |port: u16| {
        let code = [OPERATION_SOURCE_EQUALS, 2 * OPERATION_LENGTH as u8];
        let otherwise = (3 * OPERATION_LENGTH).to_ne_bytes();
        // The port stands in an operation of its own behind the comparison.
        [&code[..], &otherwise, &[0, 0], &port.to_ne_bytes()].concat()
    };
    let mut program = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        program.extend(compare(*port));
        let behind = ports.len() - 1 - index;
        if behind > 0 {
            // From this jump over all that follows: itself, and each port behind it with its jump, but for the last's.
            #[expect(clippy::cast_possible_truncation, reason = "at most MAX_PORTS")]
            let to_end = OPERATION_LENGTH * (3 * behind as u16);
            program.extend([OPERATION_JUMP, OPERATION_LENGTH as u8]);
            program.extend(to_end.to_ne_bytes());
        }
    }
    program
}

/// Most ports that a filter is made for: its jumps and its length have 16 bits. An edge serves a handful.
pub const MAX_PORTS: usize = 1000;

/// Connections found so far, with the cookies of as many as are kept.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    count: u64,
    cookies: Vec<u64>,
}

impl Found {
    fn add(&mut self, message: &[u8]) {
        self.count += 1;
        let cookie = message.get(COOKIE).and_then(|cookie| cookie.try_into().ok());
        if let Some(cookie) = cookie.filter(|_| self.cookies.len() < MAX_COOKIES) {
            // Two numbers of 32 bits in the kernel; which half is which matters to nobody.
            self.cookies.push(u64::from_ne_bytes(cookie));
        }
    }
}

impl From<Found> for Established {
    fn from(Found { count, mut cookies }: Found) -> Self {
        let are_complete = cookies.len() as u64 == count;
        cookies.sort_unstable();
        // The walk over the kernel's table may meet a socket twice while the table changes.
        cookies.dedup();
        Self { count, cookies: are_complete.then_some(cookies) }
    }
}

/// What has come of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    found: Found,
    interrupted: bool,
    done: bool,
}

impl Answer {
    /// Takes in one datagram of messages.
    fn take_in(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((header, _)) = bytes.split_first_chunk::<HEADER_LENGTH>() {
            let [l0, l1, l2, l3, k0, k1, f0, f1, ..] = *header;
            let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            if length < HEADER_LENGTH || length > bytes.len() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "netlink message of impossible length"));
            }
            self.interrupted |= u16::from_ne_bytes([f0, f1]) & INTERRUPTED != 0;
            match u16::from_ne_bytes([k0, k1]) {
                GET_SOCKETS => self.found.add(&bytes[..length]),
                // Both carry an error number, negative, or 0 for none.
                ERROR | DONE => {
                    let code = bytes.get(HEADER_LENGTH..HEADER_LENGTH + 4).and_then(|code| code.try_into().ok());
                    let code = code.map_or(0, i32::from_ne_bytes);
                    if code < 0 {
                        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                    }
                    self.done = true;
                }
                _ => {}
            }
            // Messages begin at multiples of four.
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_LENGTH + body.len()).unwrap();
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8], body].concat()
    }

    #[test]
    fn sockets_are_counted_until_the_dump_is_done() {
        let mut answer = Answer::default();
        let socket = |cookie: u64| [&[0; 44][..], &cookie.to_ne_bytes(), &[0; 20]].concat();
        let two = [9, 7].map(|cookie| message(GET_SOCKETS, 2, &socket(cookie))).concat();
        answer.take_in(&two).unwrap();
        let found = || Found { count: 2, cookies: vec![9, 7] };
        assert_eq!(answer, Answer { found: found(), interrupted: false, done: false });
        answer.take_in(&message(DONE, INTERRUPTED, &[0; 4])).unwrap();
        assert_eq!(answer, Answer { found: found(), interrupted: true, done: true });
        assert_eq!(Established::from(answer.found), Established { count: 2, cookies: Some(vec![7, 9]) });
    }

    #[test]
    fn with_more_connections_than_are_kept_only_their_number_is_known() {
        let mut found = Found { count: MAX_COOKIES as u64, cookies: vec![1; MAX_COOKIES] };
        found.add(&[0; 88]);
        assert_eq!(Established::from(found), Established { count: MAX_COOKIES as u64 + 1, cookies: None });
    }

    #[test]
    fn an_error_of_the_kernel_is_passed_on() {
        let error = Answer::default().take_in(&message(ERROR, 0, &(-2_i32).to_ne_bytes())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_filter_ends_where_each_jump_goes() {
        for count in 1..5_u16 {
            let ports: Vec<u16> = (1..=count).collect();
            let program = filter(&ports);
            let run = |port: u16| {
                let mut at = 0;
                while at < program.len() {
                    let otherwise = usize::from(u16::from_ne_bytes([program[at + 2], program[at + 3]]));
                    let holds = program[at] == OPERATION_SOURCE_EQUALS
                        && u16::from_ne_bytes([program[at + 6], program[at + 7]]) == port;
                    at += if holds { usize::from(program[at + 1]) } else { otherwise };
                }
                at == program.len()
            };
            assert!(ports.iter().all(|port| run(*port)), "{count}");
            assert!(!run(0) && !run(count + 1), "{count}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Answer::default().take_in(&bytes);
        }
    }
}
