//! Version 1: a line of text (section 2.1).

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::proxy_protocol::parse::{Invalid, Parsed};
use crate::proxy_protocol::{Addresses, Family};

/// What every such line begins with.
pub(super) const SIGNATURE: &[u8] = b"PROXY";

/// The longest line, its end included: `UNKNOWN` with two IPv6 addresses written out in full.
pub(super) const MAX_LENGTH: usize = 107;

/// Appends the line that tells these addresses.
pub fn write(addresses: &Addresses, output: &mut Vec<u8>) {
    let (family, [from, to]) = addresses.of_one_family();
    // Writing to a vector cannot fail.
    let _ = match family {
        Family::V4(source, destination) => write!(output, "PROXY TCP4 {source} {destination} {from} {to}\r\n"),
        Family::V6(source, destination) => write!(output, "PROXY TCP6 {source} {destination} {from} {to}\r\n"),
    };
}

/// Reads a connection's first bytes, which begin with the [`SIGNATURE`].
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let line = &bytes[..bytes.len().min(MAX_LENGTH)];
    let Some(length) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LENGTH { Parsed::NeedMore } else { Parsed::Invalid(Invalid::Line) };
    };
    let addresses = match std::str::from_utf8(&line[..length]).ok().and_then(addresses) {
        Some(addresses) => addresses,
        None => return Parsed::Invalid(Invalid::Line),
    };
    // This version has no word for a connection of the proxy's own: what is unknown may be one.
    Parsed::Complete { addresses, is_local: false, length: length + 2 }
}

/// What a line without its end says; nothing when it is none.
fn addresses(line: &str) -> Option<Option<Addresses>> {
    let mut words = line.split(' ');
    let (_signature, family) = (words.next(), words.next()?);
    let is_ipv4 = match family {
        "TCP4" => true,
        "TCP6" => false,
        // What follows is not looked at.
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

/// Digits without a sign or a leading zero.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}
