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

use weir_program::netlink::{Message, Protocol, Request, Socket};

/// `TCPDIAG_GETSOCK` (linux/inet_diag.h).
const GET_SOCKETS: u16 = 18;
/// `INET_DIAG_REQ_BYTECODE`, and its operations `JMP` and `S_EQ` (linux/inet_diag.h; `S_EQ` is in Linux 4.16 and later).
const ATTRIBUTE_FILTER: u16 = 1;
const OPERATION_JUMP: u8 = 1;
const OPERATION_SOURCE_EQUALS: u8 = 11;
/// Bytes of an operation.
const OPERATION_LENGTH: u16 = 4;

/// The bit of `TCP_ESTABLISHED`.
const ESTABLISHED: u32 = 1 << 1;

/// Most connections whose cookies are kept: 8 MiB for each of the two looks that are compared. An edge with more is rare,
/// and its connections are still counted.
const MAX_COOKIES: usize = 1 << 20;

/// Where in a socket's message its cookie is (`struct inet_diag_msg`, linux/inet_diag.h).
const COOKIE: std::ops::Range<usize> = 44..52;

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
    let found = Socket::open(Protocol::SocketDiagnostics)?.list(request(ports), |found: &mut Found, message| {
        found.add(message);
        Ok(())
    })?;
    Ok(found.into())
}

/// The request for all established connections on any of `ports`: `struct inet_diag_req` and the filter.
fn request(ports: &[u16]) -> Request {
    let any_socket = [0; 52]; // of any family
    let any_table = [0; 4];
    let mut request = Request::new(GET_SOCKETS, 0);
    request = request.header(&[&any_socket[..], &ESTABLISHED.to_ne_bytes(), &any_table].concat());
    request.put(ATTRIBUTE_FILTER, &filter(ports));
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
    fn add(&mut self, message: Message<'_>) {
        if message.kind != GET_SOCKETS {
            return;
        }
        self.count += 1;
        let cookie = message.body.get(COOKIE).and_then(|cookie| cookie.try_into().ok());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Message<'_> {
        Message { kind: GET_SOCKETS, flags: 2, sequence: 1, body }
    }

    #[test]
    fn sockets_are_counted_and_told_apart() {
        let mut found = Found::default();
        for cookie in [9_u64, 7] {
            found.add(message(&[&[0; 44][..], &cookie.to_ne_bytes(), &[0; 20]].concat()));
        }
        found.add(Message { kind: GET_SOCKETS + 1, ..message(&[0; 72]) });
        assert_eq!(Established::from(found), Established { count: 2, cookies: Some(vec![7, 9]) });
    }

    #[test]
    fn with_more_connections_than_are_kept_only_their_number_is_known() {
        let mut found = Found { count: MAX_COOKIES as u64, cookies: vec![1; MAX_COOKIES] };
        found.add(message(&[0; 72]));
        assert_eq!(Established::from(found), Established { count: MAX_COOKIES as u64 + 1, cookies: None });
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
}
