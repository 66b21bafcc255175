//! Established TCP connections on given ports, counted over netlink (sock_diag(7)).
//!
//! One request carries a filter that the kernel runs: of 100,000 connections only those on the ports are returned, and
//! nothing in `/proc` has to be formatted and parsed. Each connection comes with a cookie, a number that no other
//! socket has.
//!
//! For this the kernel walks its table of all TCP sockets, including those in TIME_WAIT, whatever the filter. The
//! request is therefore the older one of two kinds, `TCPDIAG_GETSOCK`, which covers every address family. The newer
//! one, `SOCK_DIAG_BY_FAMILY`, needs one walk for IPv4 and another for IPv6.

use std::io;

use weir_program::netlink::{Message, Protocol, Request, Socket};

/// `TCPDIAG_GETSOCK` (linux/inet_diag.h).
const GET_SOCKETS: u16 = 18;
/// `INET_DIAG_REQ_BYTECODE`, and its operations `JMP` and `S_EQ` (linux/inet_diag.h; `S_EQ` is in Linux 4.16 and
/// later).
const ATTRIBUTE_FILTER: u16 = 1;
const OPERATION_JUMP: u8 = 1;
const OPERATION_SOURCE_EQUALS: u8 = 11;
/// Length of an operation, in bytes.
const OPERATION_LENGTH: u16 = 4;

/// The bit of the state `TCP_ESTABLISHED`.
const ESTABLISHED: u32 = 1 << 1;

/// Maximum number of connections whose cookies are kept: 8 MiB for each of the two samples that are compared. Edges
/// with more are rare, and their connections are still counted.
const MAX_COOKIES: usize = 1 << 20;

/// The position of the cookie in the message of a socket (`struct inet_diag_msg`, linux/inet_diag.h).
const COOKIE: std::ops::Range<usize> = 44..52;

/// Established connections.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Established {
    /// Their number.
    pub count: u64,
    /// Their cookies, sorted; `None` when there are too many to keep.
    pub cookies: Option<Vec<u64>>,
}

/// Returns the established TCP connections, IPv4 and IPv6, whose local port is one of `ports`.
///
/// # Errors
/// Those of the kernel, such as that its module `inet_diag` is missing.
pub fn established(ports: &[u16]) -> io::Result<Established> {
    if ports.is_empty() {
        return Ok(Found::default().into());
    }
    let found = Socket::open(Protocol::SocketDiagnostics)?.dump(request(ports), |found: &mut Found, message| {
        found.add(message);
        Ok(())
    })?;
    Ok(found.into())
}

/// Builds the request for all established connections on any of `ports`: `struct inet_diag_req` and the filter.
fn request(ports: &[u16]) -> Request {
    let any_socket = [0; 52]; // of any family
    let any_table = [0; 4];
    let mut request = Request::new(GET_SOCKETS, 0);
    request = request.header(&[&any_socket[..], &ESTABLISHED.to_ne_bytes(), &any_table].concat());
    request.put(ATTRIBUTE_FILTER, &filter(ports));
    request
}

/// Builds a program for the kernel that accepts a connection whose local port is one of `ports`.
///
/// Each operation has one offset for when it is true and one for when it is false. Reaching exactly the end of the
/// program accepts, going beyond it rejects. So each port has a comparison that continues at a jump to the end if it is
/// true, and at the next port otherwise. The last port has no jump, and goes beyond the end if it is false.
fn filter(ports: &[u16]) -> Vec<u8> {
    let ports = &ports[..ports.len().min(MAX_PORTS)];
    let compare = |port: u16| {
        let code = [OPERATION_SOURCE_EQUALS, 2 * OPERATION_LENGTH as u8];
        let otherwise = (3 * OPERATION_LENGTH).to_ne_bytes();
        // The port takes the place of an operation after the comparison.
        [&code[..], &otherwise, &[0, 0], &port.to_ne_bytes()].concat()
    };
    let mut program = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        program.extend(compare(*port));
        let following = ports.len() - 1 - index;
        if following > 0 {
            // From this jump to the end: the jump itself, and all following ports with their jumps, which the last
            // lacks.
            #[expect(clippy::cast_possible_truncation, reason = "at most MAX_PORTS")]
            let to_end = OPERATION_LENGTH * (3 * following as u16);
            program.extend([OPERATION_JUMP, OPERATION_LENGTH as u8]);
            program.extend(to_end.to_ne_bytes());
        }
    }
    program
}

/// Maximum number of ports in a filter, whose jumps and length have 16 bits. Edges serve a handful of ports.
pub const MAX_PORTS: usize = 1000;

/// Connections found so far, with up to [`MAX_COOKIES`] of their cookies.
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
            // Two numbers of 32 bits in the kernel, in any order: only their equality matters.
            self.cookies.push(u64::from_ne_bytes(cookie));
        }
    }
}

impl From<Found> for Established {
    fn from(Found { count, mut cookies }: Found) -> Self {
        let are_complete = cookies.len() as u64 == count;
        cookies.sort_unstable();
        // The kernel may list a socket twice when its table changes meanwhile.
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
    fn sockets_are_counted_with_their_cookies() {
        let mut found = Found::default();
        for cookie in [9_u64, 7] {
            found.add(message(&[&[0; 44][..], &cookie.to_ne_bytes(), &[0; 20]].concat()));
        }
        found.add(Message { kind: GET_SOCKETS + 1, ..message(&[0; 72]) });
        assert_eq!(Established::from(found), Established { count: 2, cookies: Some(vec![7, 9]) });
    }

    #[test]
    fn with_too_many_connections_only_their_number_is_known() {
        let mut found = Found { count: MAX_COOKIES as u64, cookies: vec![1; MAX_COOKIES] };
        found.add(message(&[0; 72]));
        assert_eq!(Established::from(found), Established { count: MAX_COOKIES as u64 + 1, cookies: None });
    }

    #[test]
    fn the_filter_accepts_exactly_its_ports() {
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
