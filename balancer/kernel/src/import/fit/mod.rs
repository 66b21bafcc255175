//! Fits what was read to what the configuration takes, and notes what had to give.
//!
//! | module      | what it holds                               |
//! |-------------|---------------------------------------------|
//! | [`weights`] | weights, of which load can make less        |
//! | [`check`]   | how servers are checked                     |
//!
//! What the configuration takes is asked of its own functions, so that no limit is written down twice.

mod check;
mod weights;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Server, Service};
use crate::config::parse::parse_scheduler;
use crate::model::{self, Persistence, Protocol};
use crate::settings::Method;

/// Fits a service to the configuration.
pub(super) fn fit(service: &mut Service) {
    let line = service.line;
    leave_out_servers(service);
    weights::fit(service);
    service.method = usual_method(service).unwrap_or(service.method);
    if let Some(address) = service.sorry_server.take_if(|address| !model::Server::can_be_at(*address)) {
        let why = "no packet can be sent on to there: name the sorry server, also the director itself, by an address that it has";
        service.note(line, address.to_string(), why);
    }
    if service.persistence.is_some_and(|seconds| seconds > Persistence::LONGEST) {
        service.persistence = Some(Persistence::LONGEST);
        service.note(line, "persistence", "the kernel keeps it for at most 31 days");
    }
    for prefix in
        [service.persistence_prefix.take_if(|bits| *bits == 0), service.persistence_prefix6.take_if(|bits| *bits == 0)]
    {
        if prefix.is_some() {
            service.note(line, "netmask", "left out: with a mask of no bits all clients would be one");
        }
    }
    if parse_scheduler(&service.scheduler).is_err() {
        let name = std::mem::replace(&mut service.scheduler, "wlc".to_owned());
        service.note(line, name, "this is no scheduler; wlc is the usual one");
    }
    check::fit(service);
    fit_to_addresses(service);
}

/// Leaves out what has no place beside the service's addresses and ports; once more when these have become known.
pub(super) fn fit_to_addresses(service: &mut Service) {
    let line = service.line;
    for address in service.addresses.extract_if(.., |address| !model::Server::can_be_at(*address)).collect::<Vec<_>>() {
        service.note(line, address.to_string(), "left out: this is no address that clients can have");
    }
    leave_out_families(service);
    if service.servers.is_empty() {
        service.note(line, "servers", "there are none");
    }
    fit_sorry_server(service);
    if service.one_packet && service.ports.iter().any(|(protocol, _)| *protocol == Protocol::Tcp) {
        service.one_packet = false;
        service.note(line, "ops", "left out: only datagrams of UDP can be forwarded one by one");
    }
    check::fit_port(service);
}

/// Leaves out servers of a family that no address is of, and addresses of one that no server is of.
fn leave_out_families(service: &mut Service) {
    let line = service.line;
    let families: BTreeSet<bool> = service.addresses.iter().map(IpAddr::is_ipv4).collect();
    let is_stray = |address: IpAddr| !families.is_empty() && !families.contains(&address.is_ipv4());
    let why = "left out: the service has addresses of the other family only";
    let strays: Vec<_> = service.servers.extract_if(.., |server| is_stray(server.address)).collect();
    for Server { line, address, .. } in strays {
        service.note(line, address.to_string(), why);
    }
    let served: BTreeSet<bool> = service.servers.iter().map(|server| server.address.is_ipv4()).collect();
    let is_unserved = |address: &mut IpAddr| !served.is_empty() && !served.contains(&address.is_ipv4());
    for address in service.addresses.extract_if(.., is_unserved).collect::<Vec<_>>() {
        service.note(line, address.to_string(), "left out: no server is of its family");
    }
    let has_family = |address: IpAddr| {
        service.addresses.is_empty() || service.addresses.iter().any(|other| other.is_ipv4() == address.is_ipv4())
    };
    if let Some(address) = service.sorry_server.filter(|address| !has_family(*address)) {
        service.sorry_server = None;
        service.note(line, address.to_string(), why);
    }
}

/// Sees to it that the sorry server is none of the servers, and that there are as many as must be up before it goes.
fn fit_sorry_server(service: &mut Service) {
    let line = service.line;
    let is_server = |address: IpAddr| service.servers.iter().any(|server| server.address == address);
    if let Some(address) = service.sorry_server.filter(|address| is_server(*address)) {
        service.sorry_server = None;
        service.note(line, address.to_string(), "left out: the sorry server is one of the servers, too");
    }
    // Each family has servers of its own.
    let of_family = |is_ipv4: bool| service.servers.iter().filter(|server| server.address.is_ipv4() == is_ipv4).count();
    let counts = [true, false].map(of_family);
    let least = counts.into_iter().filter(|count| *count > 0).min().unwrap_or(1);
    let most = u32::try_from(least).unwrap_or(u32::MAX);
    if service.quorum > most {
        service.note(line, "quorum", format!("{} is more than its servers: it is {most} now", service.quorum));
        service.quorum = most;
    }
    let most = most - service.quorum;
    if service.hysteresis > most {
        let why = format!("with {} more there would be more than its servers: it is {most} now", service.hysteresis);
        service.note(line, "hysteresis", why);
        service.hysteresis = most;
    }
}

/// Says of servers that have a virtual address, of whatever service, what they are: the director itself.
pub(super) fn fit_to_virtual(service: &mut Service, virtual_addresses: &BTreeSet<IpAddr>) {
    let line = service.line;
    let mut notes = Vec::new();
    for server in &mut service.servers {
        if server.method != Method::Local && virtual_addresses.contains(&server.address) {
            server.method = Method::Local;
            notes.push((server.line, server.address));
        }
    }
    for (line, address) in notes {
        let why = "this is a virtual address, which the director has itself: its method is local";
        service.note(line, address.to_string(), why);
    }
    if let Some(address) = service.sorry_server.take_if(|address| virtual_addresses.contains(address)) {
        let why = "left out: this is a virtual address; name the sorry server by an address of its own";
        service.note(line, address.to_string(), why);
    }
}

fn leave_out_servers(service: &mut Service) {
    let mut known = BTreeSet::new();
    for server in std::mem::take(&mut service.servers) {
        let Server { line, address, weight, .. } = server;
        let why = if !model::Server::can_be_at(address) {
            "this is no address that a server can have"
        } else if weight == 0 {
            "left out, for with the weight 0 it gets no clients: in Weir, a server without a section is drained"
        } else if !known.insert(address) {
            "left out: it is there already, and a service by mark sends to it on every port"
        } else {
            service.servers.push(server);
            continue;
        };
        service.note(line, address.to_string(), why);
    }
}

/// The most frequent method of its servers; of those that are as frequent the first.
pub(super) fn usual_method(service: &Service) -> Option<Method> {
    let count = |method: Method| service.servers.iter().filter(|server| server.method == method).count();
    service.servers.iter().map(|server| server.method).rev().max_by_key(|method| count(*method))
}
