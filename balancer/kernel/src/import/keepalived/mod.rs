//! Reads the `virtual_server` blocks of `keepalived.conf`, as keepalived.conf(5) of keepalived 2.3 has them.
//!
//! | module        | what it holds                                             |
//! |---------------|-----------------------------------------------------------|
//! | [`statement`] | words, and the blocks that they stand in                  |
//! | [`group`]     | what a virtual server is known by, alone or in a group    |
//! | [`real`]      | `real_server`                                             |
//! | [`check`]     | how servers are checked                                   |
//! | [`quorum`]    | how many servers must be up                               |
//!
//! What else the file holds, VRRP first of all, stays keepalived's.

mod check;
mod group;
mod quorum;
mod real;
mod statement;

use std::net::Ipv4Addr;

use self::group::{Groups, Known};
use self::statement::{Parsed, Statement, parse};
use super::{Imported, Service, ports};
use crate::model::Protocol;
use crate::settings::Method;

/// For how many seconds clients stay with their server when nothing says how long.
const PERSISTENCE: u32 = 360;

/// Reads the whole file. What cannot be read is noted: there is always something to show.
#[must_use]
pub fn read(text: &str) -> Imported {
    let Parsed { statements, wrong } = parse(text);
    let mut imported = Imported::default();
    for (line, why) in wrong {
        imported.note(line, "braces", why);
    }
    let groups = Groups::read(&statements, &mut imported);
    for statement in &statements {
        match statement.name() {
            "virtual_server" => virtual_server(statement, &groups, &mut imported),
            "virtual_server_group" => {}
            _ => imported.notes.extend(elsewhere(statement).err().map(|why| statement.note(why))),
        }
    }
    imported.settle();
    sweep(&statements, &mut imported);
    imported
}

/// Notes what nobody asked for, such as a block where none may stand.
fn sweep(statements: &[Statement], imported: &mut Imported) {
    let mut waiting: Vec<&Statement> = statements.iter().rev().collect();
    while let Some(statement) = waiting.pop() {
        if !imported.accounts_for(statement.line) {
            imported.note(statement.line, statement.text(), UNKNOWN);
        }
        waiting.extend(statement.block.iter().rev());
    }
}

fn virtual_server(statement: &Statement, groups: &Groups, imported: &mut Imported) {
    let known = match groups.known(&statement.words[1..]) {
        Ok(known) => known,
        Err(why) => {
            imported.notes.push(statement.note(why));
            return;
        }
    };
    // All of a group is one virtual server; Weir knows each mark of it by a service of its own.
    let Known { marks, addresses } = known;
    let said = statement.block.iter().rfind(|inner| inner.name() == "protocol").map(|inner| inner.argument(0));
    let protocol = match said {
        Some("TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        // A mark has no protocol.
        _ if addresses.is_empty() => Protocol::Udp,
        Some(_) => {
            imported.notes.push(statement.note("left out: only TCP and UDP have a place in a service"));
            return;
        }
        None => {
            let why = "no `protocol` is said, which keepalived takes for UDP: is that what clients use?";
            imported.note(statement.line, statement.text(), why);
            Protocol::Udp
        }
    };
    imported.carried.insert(statement.line);
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
        let mut carried = Vec::new();
        fill(&mut service, statement, &mut carried);
        // keepalived takes every port only from clients that stay with their server.
        if service.ports.iter().any(|(_, range)| range.first() == 1 && range.last() == u16::MAX) {
            service.persistence = service.persistence.or(Some(PERSISTENCE));
        }
        if index > 0 {
            // Said at the first of them.
            service.notes.clear();
        }
        imported.carried.extend(carried);
        imported.services.push(service);
    }
}

/// What all real servers have in common, and what each may say otherwise.
struct Common<'a> {
    method: Method,
    weight: u32,
    check: check::Common<'a>,
    quorum: quorum::Weights,
}

/// Fills a service with what its block says.
fn fill(service: &mut Service, statement: &Statement, carried: &mut Vec<usize>) {
    let mut common =
        Common { method: Method::Nat, weight: 1, check: check::Common::default(), quorum: quorum::Weights::default() };
    let mut reals = Vec::new();
    for inner in &statement.block {
        if inner.name() == "real_server" {
            reals.push(inner);
            continue;
        }
        match option(service, &mut common, inner) {
            Ok(()) => carried.push(inner.line),
            Err(why) => service.notes.push(inner.note(why)),
        }
    }
    let read: Vec<real::Real<'_>> =
        reals.iter().filter_map(|inner| real::read(service, &common, inner, carried)).collect();
    check::settle(service, &common.check, &read, carried);
    real::thresholds(service, &read);
    quorum::settle(service, common.quorum);
}

/// Takes an option of a virtual server; or says why it cannot be carried over.
fn option<'a>(service: &mut Service, common: &mut Common<'a>, inner: &'a Statement) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "lb_algo" | "lvs_sched" => inner.argument(0).clone_into(&mut service.scheduler),
        "lb_kind" | "lvs_method" => common.method = real::method(service, inner)?,
        "protocol" => match inner.argument(0) {
            "TCP" | "UDP" => {}
            _ => return Err("only TCP and UDP have a place in a service"),
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
            common.quorum.line = inner.line;
            common.quorum.quorum = inner.number().filter(|quorum| *quorum > 0).ok_or(NUMBER)?;
        }
        "hysteresis" => {
            common.quorum.line = inner.line;
            common.quorum.hysteresis = inner.number().ok_or(NUMBER)?;
        }
        "sorry_server" => {
            let address = inner.argument(0).parse().map_err(|_| "expected an address; names are not resolved")?;
            service.sorry_server = Some(address);
            if let Some(port) = ports::port(inner.argument(1)) {
                service.check_server_port(inner.line, &inner.text(), port);
            }
        }
        "weight" => common.weight = inner.number().ok_or(NUMBER)?,
        "ip_family" => {}
        // Weir sets them for these schedulers anyhow.
        "sh-fallback" | "mh-fallback" => {}
        _ if common.check.take(inner) => {}
        _ => return elsewhere(inner),
    }
    Ok(())
}

/// What is said of something that nobody knows.
const UNKNOWN: &str = "unknown, or not understood";

/// Why something has no counterpart; nothing, if it asks for what Weir does anyhow.
fn elsewhere(statement: &Statement) -> Result<(), &'static str> {
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
        | "linkbeat_interfaces" => "stays keepalived's; `weir-balancer keepalived-conf` prints a pair that fits Weir",
        "include" => "import that file as well",
        "net_namespace" | "instance" => "Weir works in the namespace that it is started in",
        "alpha" | "inhibit_on_failure" | "smtp_alert" | "log_all_failures" if statement.is_off() => return Ok(()),
        "quorum_up" | "quorum_down" | "notify_up" | "notify_down" | "smtp_alert" | "notify_fifo" | "snmp_name" => {
            "Weir runs no program and sends no mail when a server comes or goes; alert on its metrics"
        }
        "log_all_failures" => "Weir logs when a server comes or goes, and why",
        "alpha" => "a server that was not checked yet gets no clients in Weir either, unless the kernel has it already",
        "omega" => "Weir runs no programs when it ends; `on_exit` says what becomes of services then",
        "ha_suspend" => "Weir keeps checks warm on both directors",
        "sorry_server_inhibit" | "inhibit_on_failure" => {
            "a failed server is deleted: at weight 0 it would keep clients waiting"
        }
        "sorry_server_lvs_method" => "the sorry server gets packets by the service's method, as its servers do",
        "flag-1" | "flag-2" | "flag-3" | "sh-port" | "mh-port" | "hashed" => {
            "for sh and mh Weir always sets the fall-back, which is flag-1, and it sets no other flags of schedulers"
        }
        "delay_before_retry" => "while a server is failing it is asked at `fast_interval`",
        "warmup" => "checks are spread over their interval anyhow",
        "persistence_engine" => "Weir's persistence is by the client's address",
        "nat_mask" => "the kernel takes no such mask",
        name if name.starts_with(['$', '@', '~']) => "what stands for something else is not filled in: write it out",
        _ => UNKNOWN,
    })
}
