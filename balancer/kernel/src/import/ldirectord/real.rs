//! The value of `real =`: an address or a range, a port, a method, a weight, and a request and response for checks.

use std::net::{IpAddr, Ipv4Addr};

use super::super::Server;
use super::super::ports::{self, address_and_port, addresses};
use super::lines::Line;
use crate::settings::Method;

/// The servers of a line.
#[derive(Debug, Clone)]
pub(super) struct Real<'a> {
    pub(super) line: Line<'a>,
    pub(super) servers: Vec<Server>,
    /// Port of the servers; 0 for that of the service.
    pub(super) port: u16,
    /// Request of the check, and the text that the response must contain.
    pub(super) request: Option<&'a str>,
    pub(super) receive: Option<&'a str>,
}

/// The method of this name.
pub(super) fn method(word: &str) -> Option<Method> {
    match word {
        "gate" => Some(Method::Direct),
        "masq" => Some(Method::Nat),
        "ipip" => Some(Method::Ipip),
        _ => None,
    }
}

/// Reads a line; an error is the reason for a note.
pub(super) fn read(line: Line<'_>) -> Result<Real<'_>, &'static str> {
    let (head, pair) = match line.value.find('"') {
        Some(position) => line.value.split_at(position),
        None => (line.value, ""),
    };
    let mut words = head.split_whitespace();
    let (hosts, port) = hosts(words.next().unwrap_or_default())?;
    let method = words.next().and_then(method).ok_or("expected gate, masq or ipip after the address")?;
    let weight = match words.next() {
        Some(weight) => weight.parse().map_err(|_| "expected a weight")?,
        None => 1,
    };
    if words.next().is_some() {
        return Err("unexpected text after the weight");
    }
    let mut quoted = pair.split('"').skip(1).step_by(2);
    let (request, receive) = (quoted.next(), quoted.next());
    let server = |address| Server { line: line.number, address, weight, method };
    Ok(Real { line, servers: hosts.into_iter().map(server).collect(), port, request, receive })
}

fn hosts(text: &str) -> Result<(Vec<IpAddr>, u16), &'static str> {
    const NAME: &str = "expected an address; names are not resolved";
    let Some((first, last)) = text.split_once("->") else {
        let (address, port) = address_and_port(text).ok_or(NAME)?;
        return Ok((vec![address], port.unwrap_or(0)));
    };
    let first: Ipv4Addr = first.parse().map_err(|_| NAME)?;
    let (last, port) = match last.split_once(':') {
        Some((last, port)) => (last, ports::port(port).ok_or("expected a port")?),
        None => (last, 0),
    };
    let last: Ipv4Addr = last.parse().map_err(|_| NAME)?;
    let hosts = addresses(first, last).ok_or("expected an ascending range of at most 256 addresses")?;
    Ok((hosts, port))
}
