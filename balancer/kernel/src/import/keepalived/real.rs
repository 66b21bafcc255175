//! `real_server`.

use std::net::IpAddr;

use super::super::{Server, Service, ports};
use super::statement::Statement;
use super::{Common, check, elsewhere};
use crate::settings::Method;

/// What a block says beside the server itself.
pub(super) struct Real<'a> {
    pub(super) statement: &'a Statement,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) checker: Option<&'a Statement>,
    /// What it says for its check.
    pub(super) check: check::Common<'a>,
    thresholds: (u32, u32),
}

/// How packets get to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forwarding {
    pub(super) method: Method,
    /// The port of tunnels of kind gue.
    pub(super) gue_port: Option<u16>,
}

/// What these words stand for.
pub(super) fn forwarding(words: &[String]) -> Result<Forwarding, &'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut gue_port = None;
    let method = match words.as_slice() {
        ["NAT"] => Method::Nat,
        ["DR"] => Method::Direct,
        ["TUN"] | ["TUN", "type", "ipip"] => Method::Ipip,
        ["TUN", "type", "gue"] => Method::Gue,
        ["TUN", "type", "gue", "port", port] => {
            gue_port = Some(ports::port(port).filter(|port| *port > 0).ok_or("expected a port")?);
            Method::Gue
        }
        ["TUN", "type", "gre"] => Method::Gre,
        _ => return Err("expected NAT, DR or TUN"),
    };
    Ok(Forwarding { method, gue_port })
}

/// The words without those that say which packets in tunnels have checksums, which Weir settles by itself.
pub(super) fn without_checksum(words: &[String]) -> Option<&[String]> {
    words.split_last().filter(|(last, _)| matches!(last.as_str(), "nocsum" | "csum" | "remcsum")).map(|(_, rest)| rest)
}

/// Adds the server of a block to its service.
pub(super) fn read<'a>(
    service: &mut Service,
    common: &Common<'a>,
    statement: &'a Statement,
    carried: &mut Vec<usize>,
) -> Option<Real<'a>> {
    let Ok(address) = statement.argument(0).parse() else {
        service.notes.push(statement.note("expected an address; names are not resolved, write the address"));
        return None;
    };
    carried.push(statement.line);
    let port = ports::port(statement.argument(1)).unwrap_or(0);
    service.check_server_port(statement.line, &statement.text(), port);
    let mut server = Server { line: statement.line, address, weight: common.weight, method: common.method };
    let mut real =
        Real { statement, address, port, checker: None, check: check::Common::default(), thresholds: (0, 0) };
    for inner in &statement.block {
        match option(service, &mut server, &mut real, inner) {
            // The check is carried over with those of the others.
            Ok(()) if inner.has_block => {}
            Ok(()) => carried.push(inner.line),
            Err(why) => service.notes.push(inner.note(why)),
        }
    }
    service.servers.push(server);
    Some(real)
}

fn option<'a>(
    service: &mut Service,
    server: &mut Server,
    real: &mut Real<'a>,
    inner: &'a Statement,
) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "weight" => server.weight = inner.number().ok_or(NUMBER)?,
        "lvs_method" => server.method = method(service, inner)?,
        "uthreshold" => real.thresholds.0 = inner.number().ok_or(NUMBER)?,
        "lthreshold" => real.thresholds.1 = inner.number().ok_or(NUMBER)?,
        name if check::is_checker(name) && real.checker.is_none() => real.checker = Some(inner),
        name if check::is_checker(name) => {
            return Err("a server has one check; have a program do both: kind = \"exec\"");
        }
        _ if real.check.take(inner) => {}
        _ => return elsewhere(inner),
    }
    Ok(())
}

/// The method that a statement says; its port is that of all servers of the service.
pub(super) fn method(service: &mut Service, inner: &Statement) -> Result<Method, &'static str> {
    let mut words = &inner.words[1..];
    if let Some(rest) = without_checksum(words) {
        words = rest;
        service.note(inner.line, inner.text(), "Weir settles by itself which packets in tunnels have checksums");
    }
    let Forwarding { method, gue_port } = forwarding(words)?;
    match (service.gue_port, gue_port) {
        (Some(known), Some(port)) if known != port => {
            service.note(inner.line, inner.text(), "all servers of a service have the same port: the first one's");
        }
        (None, Some(port)) => service.gue_port = Some(port),
        _ => {}
    }
    Ok(method)
}

/// Thresholds hold for all servers of a service alike.
pub(super) fn thresholds(service: &mut Service, reals: &[Real<'_>]) {
    let Some(first) = reals.first() else { return };
    (service.upper_threshold, service.lower_threshold) = first.thresholds;
    if service.lower_threshold > service.upper_threshold {
        service.lower_threshold = 0;
        service.note(first.statement.line, "lthreshold", "left out, for it is above uthreshold");
    }
    for real in reals.iter().filter(|real| real.thresholds != first.thresholds) {
        let why = "all servers of a service have the same thresholds: the first one's";
        service.note(real.statement.line, real.statement.text(), why);
    }
}
