//! Fits what was read to what the configuration takes, and notes what had to give.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Check, Server, Service};
use crate::config::kernel::Method;
use crate::config::kernel::check::Kind;
use crate::ipvs::model;

/// What `weight` is by default: load makes weights less, and of 1 there is nothing to make less of.
const USUAL_WEIGHT: u32 = 100;
const HEAVIEST: u32 = 65_535;
/// The longest persistence that the kernel keeps, 31 days, in seconds.
const LONGEST_PERSISTENCE: u32 = 744 * 3600;
/// The longest `interval` and `timeout` of a check, in seconds, and the most of `rise` and `fall`.
const LONGEST_INTERVAL: u32 = 3600;
const LONGEST_TIMEOUT: u32 = 60;
const MOST_IN_A_ROW: u32 = 100;
/// The longest text that a check sends or looks for, in bytes.
const LONGEST_TEXT: usize = 1200;
/// The longest name of a scheduler that the kernel has.
const LONGEST_SCHEDULER: usize = 15;

/// Fits a service to the configuration.
pub(super) fn fit(service: &mut Service) {
    let line = service.line;
    fit_servers(service);
    settle_method(service);
    let most = u32::try_from(service.servers.len()).unwrap_or(u32::MAX).max(1);
    if service.quorum > most {
        service.note(line, "quorum", format!("{} is more than its servers: it is {most} now", service.quorum));
        service.quorum = most;
    }
    if let Some(address) = service.sorry_server.filter(|address| !is_usable(*address)) {
        service.sorry_server = None;
        let why = "the director itself cannot be named by loopback: name the sorry server by an address that it has";
        service.note(line, address.to_string(), why);
    }
    if service.persistence.is_some_and(|seconds| seconds > LONGEST_PERSISTENCE) {
        service.persistence = Some(LONGEST_PERSISTENCE);
        service.note(line, "persistence", "the kernel keeps it for at most 31 days");
    }
    service.persistence_prefix = service.persistence_prefix.filter(|prefix| (1..=32).contains(prefix));
    service.persistence_prefix6 = service.persistence_prefix6.filter(|prefix| (1..=128).contains(prefix));
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.is_empty();
    if !is_name(&service.scheduler) || service.scheduler.len() > LONGEST_SCHEDULER {
        let name = std::mem::replace(&mut service.scheduler, "wlc".to_owned());
        service.note(line, name, "this is no scheduler; wlc is the usual one");
    }
    let mut check = std::mem::take(&mut service.check);
    fit_check(service, &mut check);
    service.check = check;
}

fn fit_servers(service: &mut Service) {
    let mut known = BTreeSet::new();
    let servers = std::mem::take(&mut service.servers);
    let heaviest = servers.iter().map(|server| server.weight).max().unwrap_or_default();
    let scale = if heaviest * USUAL_WEIGHT <= HEAVIEST { USUAL_WEIGHT } else { 1 };
    for mut server in servers {
        let Server { line, address, weight, .. } = server;
        let is_known = || service.addresses.first().is_some_and(|own| own.is_ipv4() != address.is_ipv4());
        let why = if !is_usable(address) {
            "this is no address that a server can have"
        } else if weight == 0 {
            "left out, for with the weight 0 it gets no clients; drain it instead"
        } else if is_known() {
            "left out: the service has addresses of the other family only"
        } else if !known.insert(address) {
            "left out: it is there already, and a service by mark sends to it on every port"
        } else {
            server.weight = weight.saturating_mul(scale).min(HEAVIEST);
            service.servers.push(server);
            continue;
        };
        service.note(line, address.to_string(), why);
    }
    if service.servers.is_empty() {
        service.note(service.line, "servers", "there are none");
    }
}

/// Makes the most frequent method of its servers its own; of those that are as frequent the first.
fn settle_method(service: &mut Service) {
    let count = |method: Method| service.servers.iter().filter(|server| server.method == method).count();
    let methods = service.servers.iter().map(|server| server.method);
    service.method = methods.rev().max_by_key(|method| count(*method)).unwrap_or(service.method);
}

fn fit_check(service: &mut Service, check: &mut Check) {
    let line = service.line;
    let mut at_most = |value: &mut Option<u32>, most: u32, key: &str| {
        if value.is_some_and(|value| value > most) {
            *value = Some(most);
            service.note(line, key, format!("at most {most}"));
        }
        if *value == Some(0) {
            *value = None;
        }
    };
    at_most(&mut check.interval, LONGEST_INTERVAL, "interval");
    at_most(&mut check.timeout, LONGEST_TIMEOUT, "timeout");
    at_most(&mut check.rise, MOST_IN_A_ROW, "rise");
    at_most(&mut check.fall, MOST_IN_A_ROW, "fall");
    for (key, text) in [("send", &mut check.send), ("receive", &mut check.receive)] {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > LONGEST_TEXT) {
            *text = None;
            service.note(line, key, "left out: expected 1 to 1200 bytes");
        }
    }
    let is_path = |path: &String| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(path) = check.path.take_if(|path| !is_path(path)) {
        service.note(line, path, "left out, for it is not a path that is percent-encoded");
    }
    let is_host = |host: &String| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !host.is_empty() && host.len() < 254 && host.bytes().all(is_name)
    };
    if let Some(host) = check.host.take_if(|host| !is_host(host)) {
        service.note(line, host, "left out: expected the name of a host, without a port");
    }
    if check.kind == Kind::Exec && !check.command.first().is_some_and(|program| program.starts_with('/')) {
        check.kind = Kind::None;
        let command = std::mem::take(&mut check.command).join(" ");
        service.note(line, command, "no check: name the program by its absolute path, and set kind = \"exec\"");
    }
}

/// Whether servers can have this address.
fn is_usable(address: IpAddr) -> bool {
    model::Server::can_be_at(address)
}
