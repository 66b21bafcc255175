//! `real_server` blocks.

use std::net::IpAddr;

use super::super::{Server, Service, ports};
use super::check_options::{CheckOptions, is_checker};
use super::statement::Statement;
use super::{Defaults, unsupported};
use crate::settings::Method;

/// A `real_server` block.
pub(super) struct Real<'a> {
    pub(super) statement: &'a Statement,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) checker: Option<&'a Statement>,
    /// Options for its check.
    pub(super) check: CheckOptions<'a>,
    thresholds: (u32, u32),
}

/// A forwarding method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forwarding {
    pub(super) method: Method,
    /// UDP port, for gue.
    pub(super) gue_port: Option<u16>,
}

/// Parses a forwarding method.
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

/// The words without an option for checksums of tunnels; `None` if there is none.
pub(super) fn without_checksum(words: &[String]) -> Option<&[String]> {
    words.split_last().filter(|(last, _)| matches!(last.as_str(), "nocsum" | "csum" | "remcsum")).map(|(_, rest)| rest)
}

/// The port after the address of a server; 0 for the port of the service. Notes one that differs, or that is not valid.
pub(super) fn server_port(service: &mut Service, statement: &Statement) -> u16 {
    let text = statement.argument(1);
    let port = ports::port(text);
    if port.is_none() && !text.is_empty() {
        let reason = "unknown port: servers must listen on the ports of the service";
        service.note(statement.line, statement.text(), reason);
    }
    let port = port.unwrap_or(0);
    service.check_server_port(statement.line, &statement.text(), port);
    port
}

/// Adds the server of a block to its service.
pub(super) fn read<'a>(
    service: &mut Service,
    defaults: &Defaults<'a>,
    statement: &'a Statement,
    imported_lines: &mut Vec<usize>,
) -> Option<Real<'a>> {
    let Ok(address) = statement.argument(0).parse() else {
        service.notes.push(statement.note("expected an address; names are not resolved"));
        return None;
    };
    imported_lines.push(statement.line);
    let port = server_port(service, statement);
    let mut server = Server { line: statement.line, address, weight: defaults.weight, method: defaults.method };
    let mut real = Real { statement, address, port, checker: None, check: CheckOptions::default(), thresholds: (0, 0) };
    for inner in &statement.block {
        match option(service, &mut server, &mut real, inner) {
            // The check is imported with those of the other servers.
            Ok(()) if inner.has_block => {}
            Ok(()) => imported_lines.push(inner.line),
            Err(reason) => service.notes.push(inner.note(reason)),
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
        name if is_checker(name) && real.checker.is_none() => real.checker = Some(inner),
        name if is_checker(name) => {
            return Err("a server has one check; use a program for both, with kind = \"exec\"");
        }
        _ if real.check.store(inner) => {}
        _ => return unsupported(inner),
    }
    Ok(())
}

/// The method of a statement. Its port applies to all servers of the service.
pub(super) fn method(service: &mut Service, inner: &Statement) -> Result<Method, &'static str> {
    let mut words = &inner.words[1..];
    if let Some(rest) = without_checksum(words) {
        words = rest;
        service.note(inner.line, inner.text(), "Weir chooses the checksums of tunnels itself");
    }
    let Forwarding { method, gue_port } = forwarding(words)?;
    match (service.gue_port, gue_port) {
        (Some(known), Some(port)) if known != port => {
            service.note(
                inner.line,
                inner.text(),
                "all servers of a service have the same port: that of the first server",
            );
        }
        (None, Some(port)) => service.gue_port = Some(port),
        _ => {}
    }
    Ok(method)
}

/// Sets the thresholds, which apply to all servers of a service.
pub(super) fn set_thresholds(service: &mut Service, reals: &[Real<'_>]) {
    let Some(first) = reals.first() else { return };
    (service.upper_threshold, service.lower_threshold) = first.thresholds;
    if service.lower_threshold > service.upper_threshold {
        service.lower_threshold = 0;
        service.note(first.statement.line, "lthreshold", "left out: above uthreshold");
    }
    for real in reals.iter().filter(|real| real.thresholds != first.thresholds) {
        let reason = "all servers of a service have the same thresholds: those of the first server";
        service.note(real.statement.line, real.statement.text(), reason);
    }
}
