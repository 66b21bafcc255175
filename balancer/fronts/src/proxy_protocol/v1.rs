//! Version 1: a line of text (section 2.1).

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::proxy_protocol::addresses::{Addresses, Family};
use crate::proxy_protocol::outcome::{Invalid, Parsed};

/// The first bytes of every line.
pub(super) const SIGNATURE: &[u8] = b"PROXY";

/// Maximum length of a line including its end: `UNKNOWN` with two IPv6 addresses in full.
pub(super) const MAX_LENGTH: usize = 107;

/// Appends the line with these addresses.
pub fn write(addresses: &Addresses, output: &mut Vec<u8>) {
    let (family, [from, to]) = addresses.in_one_family();
    // Writing to a vector cannot fail.
    let _ = match family {
        Family::V4(source, destination) => write!(output, "PROXY TCP4 {source} {destination} {from} {to}\r\n"),
        Family::V6(source, destination) => write!(output, "PROXY TCP6 {source} {destination} {from} {to}\r\n"),
    };
}

/// Parses the first bytes of a connection, which begin with the [`SIGNATURE`].
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let line = &bytes[..bytes.len().min(MAX_LENGTH)];
    let Some(length) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LENGTH { Parsed::NeedMore } else { Parsed::Invalid(Invalid::Line) };
    };
    let addresses = match std::str::from_utf8(&line[..length]).ok().and_then(addresses) {
        Some(addresses) => addresses,
        None => return Parsed::Invalid(Invalid::Line),
    };
    // This version has no LOCAL command; a proxy's own connection is `UNKNOWN`, as other connections may be.
    Parsed::Complete { addresses, is_local: false, length: length + 2 }
}

/// The addresses in a line without its end, if any; `None` for a malformed line.
fn addresses(line: &str) -> Option<Option<Addresses>> {
    let mut words = line.split(' ');
    let (_signature, family) = (words.next(), words.next()?);
    let is_ipv4 = match family {
        "TCP4" => true,
        "TCP6" => false,
        // The rest of the line must be ignored.
        "UNKNOWN" => return Some(None),
        _ => return None,
    };
    let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == is_ipv4);
    let [source, destination] = [address()?, address()?];
    let [from, to] = [port(words.next()?)?, port(words.next()?)?];
    let [source, destination] =
        [(source, from), (destination, to)].map(|(address, port)| SocketAddr::new(address.to_canonical(), port));
    words.next().is_none().then_some(Some(Addresses { source, destination }))
}

/// Parses a port: digits without a sign or a leading zero.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}
