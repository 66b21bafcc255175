//! Adjusts services to the limits of Weir's configuration, and notes what was changed.
//!
//! | module      | contents                  |
//! |-------------|---------------------------|
//! | [`weights`] | weights of the servers    |
//! | [`check`]   | health checks             |
//!
//! Values are validated by the configuration's own functions, so that no limit is defined twice.

mod check;
mod weights;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Server, Service};
use crate::config::parse::parse_scheduler;
use crate::model::{self, Persistence, Protocol};
use crate::settings::Method;

/// Adjusts a service to the limits of the configuration.
pub(super) fn adjust(service: &mut Service) {
    let line = service.line;
    leave_out_servers(service);
    weights::scale(service);
    service.method = most_common_method(service).unwrap_or(service.method);
    if let Some(address) = service.sorry_server.take_if(|address| !model::Server::can_be_at(*address)) {
        let reason =
            "left out: packets cannot be forwarded to this address; use an address of the sorry server's interface";
        service.note(line, address.to_string(), reason);
    }
    if service.persistence.is_some_and(|seconds| seconds > Persistence::MAX_SECONDS) {
        service.persistence = Some(Persistence::MAX_SECONDS);
        service.note(line, "persistence", "reduced to 31 days, the maximum of the kernel");
    }
    for prefix in
        [service.persistence_prefix.take_if(|bits| *bits == 0), service.persistence_prefix6.take_if(|bits| *bits == 0)]
    {
        if prefix.is_some() {
            service.note(line, "netmask", "left out: with a prefix length of 0, all clients would get the same server");
        }
    }
    if parse_scheduler(&service.scheduler).is_err() {
        let name = std::mem::replace(&mut service.scheduler, "wlc".to_owned());
        service.note(line, name, "not a scheduler; replaced by the default, wlc");
    }
    check::adjust(service);
    adjust_to_addresses(service);
}

/// Leaves out what conflicts with the service's addresses and ports. Called again when these are known.
pub(super) fn adjust_to_addresses(service: &mut Service) {
    let line = service.line;
    for address in service.addresses.extract_if(.., |address| !model::Server::can_be_at(*address)).collect::<Vec<_>>() {
        service.note(line, address.to_string(), "left out: not an address that clients can use");
    }
    leave_out_families(service);
    if service.servers.is_empty() {
        service.note(line, "servers", "none");
    }
    adjust_sorry_server(service);
    if service.one_packet && service.ports.iter().any(|(protocol, _)| *protocol == Protocol::Tcp) {
        service.one_packet = false;
        service.note(line, "ops", "left out: only UDP datagrams can be scheduled separately");
    }
    check::set_port(service);
}

/// Leaves out servers of a family without addresses, and addresses of a family without servers.
fn leave_out_families(service: &mut Service) {
    let line = service.line;
    let families: BTreeSet<bool> = service.addresses.iter().map(IpAddr::is_ipv4).collect();
    let is_stray = |address: IpAddr| !families.is_empty() && !families.contains(&address.is_ipv4());
    let reason = "left out: the service has only addresses of the other family";
    let strays: Vec<_> = service.servers.extract_if(.., |server| is_stray(server.address)).collect();
    for Server { line, address, .. } in strays {
        service.note(line, address.to_string(), reason);
    }
    let served: BTreeSet<bool> = service.servers.iter().map(|server| server.address.is_ipv4()).collect();
    let is_unserved = |address: &mut IpAddr| !served.is_empty() && !served.contains(&address.is_ipv4());
    for address in service.addresses.extract_if(.., is_unserved).collect::<Vec<_>>() {
        service.note(line, address.to_string(), "left out: the service has no server of this family");
    }
    let has_family = |address: IpAddr| {
        service.addresses.is_empty() || service.addresses.iter().any(|other| other.is_ipv4() == address.is_ipv4())
    };
    if let Some(address) = service.sorry_server.filter(|address| !has_family(*address)) {
        service.sorry_server = None;
        service.note(line, address.to_string(), reason);
    }
}

/// Leaves out a sorry server that is also a real server, and limits quorum and hysteresis to the number of servers.
fn adjust_sorry_server(service: &mut Service) {
    let line = service.line;
    let is_server = |address: IpAddr| service.servers.iter().any(|server| server.address == address);
    if let Some(address) = service.sorry_server.filter(|address| is_server(*address)) {
        service.sorry_server = None;
        service.note(line, address.to_string(), "left out: the sorry server is also a real server");
    }
    // Each family has its own servers.
    let of_family = |is_ipv4: bool| service.servers.iter().filter(|server| server.address.is_ipv4() == is_ipv4).count();
    let counts = [true, false].map(of_family);
    let least = counts.into_iter().filter(|count| *count > 0).min().unwrap_or(1);
    let most = u32::try_from(least).unwrap_or(u32::MAX);
    if service.quorum > most {
        service.note(line, "quorum", format!("{} exceeds the number of servers; changed to {most}", service.quorum));
        service.quorum = most;
    }
    let most = most - service.quorum;
    if service.hysteresis > most {
        let reason = format!("{} plus quorum exceeds the number of servers; changed to {most}", service.hysteresis);
        service.note(line, "hysteresis", reason);
        service.hysteresis = most;
    }
}

/// Sets method local for servers at a virtual address of any service, since they are the director itself.
pub(super) fn adjust_to_virtual_addresses(service: &mut Service, virtual_addresses: &BTreeSet<IpAddr>) {
    let line = service.line;
    let mut notes = Vec::new();
    for server in &mut service.servers {
        if server.method != Method::Local && virtual_addresses.contains(&server.address) {
            server.method = Method::Local;
            notes.push((server.line, server.address));
        }
    }
    for (line, address) in notes {
        let reason = "a virtual address, which the director itself has: method changed to local";
        service.note(line, address.to_string(), reason);
    }
    if let Some(address) = service.sorry_server.take_if(|address| virtual_addresses.contains(address)) {
        let reason = "left out: a virtual address; use another address of the sorry server";
        service.note(line, address.to_string(), reason);
    }
}

fn leave_out_servers(service: &mut Service) {
    let mut known = BTreeSet::new();
    for server in std::mem::take(&mut service.servers) {
        let Server { line, address, weight, .. } = server;
        let reason = if !model::Server::can_be_at(address) {
            "left out: not an address that a server can have"
        } else if weight == 0 {
            "left out: with weight 0 it gets no clients; Weir drains servers that are not configured"
        } else if !known.insert(address) {
            "left out: duplicate; a service with a mark forwards all ports to the server"
        } else {
            service.servers.push(server);
            continue;
        };
        service.note(line, address.to_string(), reason);
    }
}

/// The most common method of the servers; of several, the first.
pub(super) fn most_common_method(service: &Service) -> Option<Method> {
    let count = |method: Method| service.servers.iter().filter(|server| server.method == method).count();
    service.servers.iter().map(|server| server.method).rev().max_by_key(|method| count(*method))
}
