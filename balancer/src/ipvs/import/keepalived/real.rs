//! `real_server`.

use std::net::IpAddr;

use super::super::{Server, Service, ports};
use super::statement::Statement;
use super::{Common, check, elsewhere};
use crate::config::kernel::Method;

/// What a block says beside the server itself.
pub(super) struct Real<'a> {
    pub(super) statement: &'a Statement,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) checker: Option<&'a Statement>,
    pub(super) host: Option<&'a str>,
    thresholds: (u32, u32),
}

/// The method that these words stand for.
pub(super) fn method(words: &[String]) -> Result<Method, &'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["NAT", ..] => Ok(Method::Nat),
        ["DR", ..] => Ok(Method::Direct),
        ["TUN"] | ["TUN", "type", "ipip", ..] => Ok(Method::Ipip),
        ["TUN", "type", "gue", ..] => Ok(Method::Gue),
        ["TUN", "type", "gre", ..] => Ok(Method::Gre),
        _ => Err("expected NAT, DR or TUN"),
    }
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
    let mut real = Real { statement, address, port, checker: None, host: None, thresholds: (0, 0) };
    for inner in &statement.block {
        match option(&mut server, &mut real, inner) {
            // The check is carried over with those of the others.
            Ok(()) if inner.has_block => {}
            Ok(()) => carried.push(inner.line),
            Err(why) => service.notes.push(inner.note(why)),
        }
    }
    service.servers.push(server);
    Some(real)
}

fn option<'a>(server: &mut Server, real: &mut Real<'a>, inner: &'a Statement) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "weight" => server.weight = inner.number().ok_or(NUMBER)?,
        "lvs_method" => server.method = method(&inner.words[1..])?,
        "uthreshold" => real.thresholds.0 = inner.number().ok_or(NUMBER)?,
        "lthreshold" => real.thresholds.1 = inner.number().ok_or(NUMBER)?,
        "virtualhost" => real.host = Some(inner.argument(0)),
        name if check::is_checker(name) && real.checker.is_none() => real.checker = Some(inner),
        name if check::is_checker(name) => {
            return Err("a server has one check; have a program do both: kind = \"exec\"");
        }
        name => return Err(elsewhere(name)),
    }
    Ok(())
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
