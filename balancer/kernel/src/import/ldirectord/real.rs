//! What stands behind `real =`: an address or a range, a port, a method, a weight, and a check of its own.

use std::net::{IpAddr, Ipv4Addr};

use super::super::Server;
use super::super::ports::{self, address_and_port, addresses};
use super::lines::Line;
use crate::settings::Method;

/// What a line adds.
#[derive(Debug, Clone)]
pub(super) struct Real<'a> {
    pub(super) line: Line<'a>,
    pub(super) servers: Vec<Server>,
    /// The port that packets are sent to there; 0 for the one that they were sent to.
    pub(super) port: u16,
    /// What its check asks, and what the answer must contain.
    pub(super) request: Option<&'a str>,
    pub(super) receive: Option<&'a str>,
}

/// The method that a word stands for.
pub(super) fn method(word: &str) -> Option<Method> {
    match word {
        "gate" => Some(Method::Direct),
        "masq" => Some(Method::Nat),
        "ipip" => Some(Method::Ipip),
        _ => None,
    }
}

/// Reads a line; or says what is wrong with it.
pub(super) fn read(line: Line<'_>) -> Result<Real<'_>, &'static str> {
    let (head, pair) = match line.value.find('"') {
        Some(position) => line.value.split_at(position),
        None => (line.value, ""),
    };
    let mut words = head.split_whitespace();
    let (hosts, port) = hosts(words.next().unwrap_or_default())?;
    let method = words.next().and_then(method).ok_or("expected gate, masq or ipip behind the address")?;
    let weight = match words.next() {
        Some(weight) => weight.parse().map_err(|_| "expected a weight")?,
        None => 1,
    };
    if words.next().is_some() {
        return Err("more follows than a weight and a check in quotes");
    }
    let mut quoted = pair.split('"').skip(1).step_by(2);
    let (request, receive) = (quoted.next(), quoted.next());
    let server = |address| Server { line: line.number, address, weight, method };
    Ok(Real { line, servers: hosts.into_iter().map(server).collect(), port, request, receive })
}

fn hosts(text: &str) -> Result<(Vec<IpAddr>, u16), &'static str> {
    const NAME: &str = "expected an address; names are not resolved, write the address";
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
    let hosts = addresses(first, last).ok_or("expected a range of at most 256 addresses, the first one first")?;
    Ok((hosts, port))
}
