//! Reads the `virtual_server` blocks of `keepalived.conf`, documented in keepalived.conf(5) of keepalived 2.3.
//!
//! | module        | contents                                       |
//! |---------------|------------------------------------------------|
//! | [`statement`] | statements: words and blocks                   |
//! | [`group`]     | endpoints of virtual servers, and their groups |
//! | [`real`]      | `real_server` blocks                           |
//! | [`check`]     | health checks                                  |
//! | [`quorum`]    | the quorum                                     |
//!
//! All other parts of the file, such as VRRP, remain with keepalived.

mod check;
mod check_options;
mod group;
mod quorum;
mod real;
mod statement;

use std::net::Ipv4Addr;

use self::check_options::CheckOptions;
use self::group::{Endpoints, Groups};
use self::statement::{Parsed, Statement, parse};
use super::{Imported, Service, ports};
use crate::model::Protocol;
use crate::settings::Method;

/// Default of `persistence_timeout`, in seconds.
const PERSISTENCE: u32 = 360;

/// Reads a file. Statements that cannot be read are noted.
#[must_use]
pub fn read(text: &str) -> Imported {
    let Parsed { statements, errors } = parse(text);
    let mut imported = Imported::default();
    for (line, reason) in errors {
        imported.note(line, "braces", reason);
    }
    let groups = Groups::read(&statements, &mut imported);
    for statement in &statements {
        match statement.name() {
            "virtual_server" => virtual_server(statement, &groups, &mut imported),
            "virtual_server_group" => {}
            _ => imported.notes.extend(unsupported(statement).err().map(|reason| statement.note(reason))),
        }
    }
    imported.adjust();
    note_unknown(&statements, &mut imported);
    imported
}

/// Notes statements that were not read, such as a block at an option that has none.
fn note_unknown(statements: &[Statement], imported: &mut Imported) {
    let mut stack: Vec<&Statement> = statements.iter().rev().collect();
    while let Some(statement) = stack.pop() {
        if !imported.accounts_for(statement.line) {
            imported.note(statement.line, statement.text(), UNKNOWN);
        }
        stack.extend(statement.block.iter().rev());
    }
}

fn virtual_server(statement: &Statement, groups: &Groups, imported: &mut Imported) {
    let endpoints = match groups.endpoints(&statement.words[1..]) {
        Ok(endpoints) => endpoints,
        Err(reason) => {
            imported.notes.push(statement.note(reason));
            return;
        }
    };
    // A group is one virtual server. In Weir, each mark and each port range is a service.
    let Endpoints { marks, addresses } = endpoints;
    let given = statement.block.iter().rfind(|inner| inner.name() == "protocol").map(|inner| inner.argument(0));
    let protocol = match given {
        Some("TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        // Marks have no protocol.
        _ if addresses.is_empty() => Protocol::Udp,
        Some(_) => {
            imported.notes.push(statement.note("left out: services support only TCP and UDP"));
            return;
        }
        None => {
            let reason = "no `protocol`, so that keepalived uses UDP; check that this is intended";
            imported.note(statement.line, statement.text(), reason);
            Protocol::Udp
        }
    };
    imported.imported_lines.insert(statement.line);
    let marked = marks.into_iter().map(|mark| {
        let mut service = Service::new(format!("mark-{mark}"), statement.line);
        service.mark = Some(mark);
        service
    });
    let mut services: Vec<Service> = marked.collect();
    services.extend(addresses.into_iter().map(|(range, addresses)| {
        let first = addresses.first().map(ToString::to_string).unwrap_or_default();
        let first: String = first.chars().map(|part| if part.is_alphanumeric() { part } else { '-' }).collect();
        let mut service = Service::new(format!("{first}-{protocol}-{range}"), statement.line);
        service.addresses = addresses;
        service.ports = vec![(protocol, range)];
        service
    }));
    for (index, mut service) in services.into_iter().enumerate() {
        let mut lines = Vec::new();
        fill(&mut service, statement, &mut lines);
        // For all ports, keepalived requires persistence.
        if service.ports.iter().any(|(_, range)| range.first() == 1 && range.last() == u16::MAX) {
            service.persistence = service.persistence.or(Some(PERSISTENCE));
        }
        if index > 0 {
            // The first service has the same notes.
            service.notes.clear();
        }
        imported.imported_lines.extend(lines);
        imported.services.push(service);
    }
}

/// Options of a virtual server, which its real servers may override.
struct Defaults<'a> {
    method: Method,
    weight: u32,
    check: CheckOptions<'a>,
    quorum: quorum::QuorumWeights,
}

/// Reads the block of a virtual server into a service.
fn fill(service: &mut Service, statement: &Statement, imported_lines: &mut Vec<usize>) {
    let (check, quorum) = (CheckOptions::default(), quorum::QuorumWeights::default());
    let mut defaults = Defaults { method: Method::Nat, weight: 1, check, quorum };
    let mut reals = Vec::new();
    for inner in &statement.block {
        if inner.name() == "real_server" {
            reals.push(inner);
            continue;
        }
        match option(service, &mut defaults, inner) {
            Ok(()) => imported_lines.push(inner.line),
            Err(reason) => service.notes.push(inner.note(reason)),
        }
    }
    let read: Vec<real::Real<'_>> =
        reals.iter().filter_map(|inner| real::read(service, &defaults, inner, imported_lines)).collect();
    check::set_check(service, &defaults.check, &read, imported_lines);
    real::set_thresholds(service, &read);
    quorum::set_quorum(service, defaults.quorum);
}

/// Reads an option of a virtual server. An error is the reason why it is not imported.
fn option<'a>(service: &mut Service, defaults: &mut Defaults<'a>, inner: &'a Statement) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "lb_algo" | "lvs_sched" => inner.argument(0).clone_into(&mut service.scheduler),
        "lb_kind" | "lvs_method" => defaults.method = real::method(service, inner)?,
        "protocol" => match inner.argument(0) {
            "TCP" | "UDP" => {}
            _ => return Err("services support only TCP and UDP"),
        },
        "persistence_timeout" => {
            let seconds = if inner.argument(0).is_empty() { Some(PERSISTENCE) } else { inner.number() };
            service.persistence = Some(seconds.filter(|seconds| *seconds > 0).ok_or(NUMBER)?);
        }
        "persistence_granularity" => {
            let mask = inner.argument(0);
            match (mask.parse::<Ipv4Addr>().ok().map(ports::prefix), mask.parse::<u8>()) {
                (Some(Some(prefix)), _) => service.persistence_prefix = Some(prefix),
                (None, Ok(prefix @ 1..=128)) => service.persistence_prefix6 = Some(prefix),
                _ => return Err("expected a netmask, or a prefix length for IPv6"),
            }
        }
        "ops" => service.one_packet = true,
        "quorum" => {
            defaults.quorum.line = inner.line;
            defaults.quorum.quorum = inner.number().filter(|quorum| *quorum > 0).ok_or(NUMBER)?;
        }
        "hysteresis" => {
            defaults.quorum.line = inner.line;
            defaults.quorum.hysteresis = inner.number().ok_or(NUMBER)?;
        }
        "sorry_server" => {
            let address = inner.argument(0).parse().map_err(|_| "expected an address; names are not resolved")?;
            service.sorry_server = Some(address);
            real::server_port(service, inner);
        }
        "weight" => defaults.weight = inner.number().ok_or(NUMBER)?,
        "ip_family" => {}
        // Weir always sets these flags.
        "sh-fallback" | "mh-fallback" => {}
        _ if defaults.check.store(inner) => {}
        _ => return unsupported(inner),
    }
    Ok(())
}

/// Reason for an unknown statement.
const UNKNOWN: &str = "unknown, or not supported";

/// Why a statement is not imported; `Ok` if it requests what Weir always does.
fn unsupported(statement: &Statement) -> Result<(), &'static str> {
    Err(match statement.name() {
        "vrrp_instance"
        | "vrrp_sync_group"
        | "vrrp_script"
        | "vrrp_track_process"
        | "vrrp_track_file"
        | "track_file"
        | "static_ipaddress"
        | "static_routes"
        | "static_rules"
        | "global_defs"
        | "global_definitions"
        | "garp_group"
        | "bfd_instance"
        | "interface_up_down_delays"
        | "linkbeat_interfaces" => {
            "remains with keepalived; `weir-balancer keepalived-conf` prints a matching configuration"
        }
        "include" => "import that file too",
        "net_namespace" | "instance" => "Weir uses the network namespace in which it is started",
        "alpha" | "inhibit_on_failure" | "smtp_alert" | "log_all_failures" if statement.is_off() => return Ok(()),
        "quorum_up" | "quorum_down" | "notify_up" | "notify_down" | "smtp_alert" | "notify_fifo" | "snmp_name" => {
            "Weir runs no program and sends no mail when a server goes up or down; use alerts on its metrics"
        }
        "log_all_failures" => "Weir logs when a server goes up or down, and why",
        "alpha" => "in Weir, too, a server gets no clients before its first check, unless the kernel has it already",
        "omega" => "Weir runs no programs when it stops; `on_exit` sets what happens to the services",
        "ha_suspend" => "Weir checks servers on both directors",
        "sorry_server_inhibit" | "inhibit_on_failure" => {
            "Weir deletes failed servers: with weight 0, they would keep clients waiting"
        }
        "sorry_server_lvs_method" => "the sorry server uses the service's method",
        "flag-1" | "flag-2" | "flag-3" | "sh-port" | "mh-port" | "hashed" => {
            "for sh and mh, Weir always sets the fallback flag (flag-1), and no other scheduler flags"
        }
        "delay_before_retry" => "a failing server is checked at `fast_interval`",
        "warmup" => "Weir always spreads checks over their interval",
        "persistence_engine" => "Weir's persistence is by client address",
        "nat_mask" => "not supported by the kernel",
        name if name.starts_with(['$', '@', '~']) => "variables and conditions are not expanded; write the values",
        _ => UNKNOWN,
    })
}
