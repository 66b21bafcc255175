//! Turns `[[kernel.service]]` sections into virtual services: applies defaults, assigns marks, and rejects conflicts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use toml::Spanned;
use weir_checks::Check;
use weir_checks::check::Probe;
use weir_program::config::SectionError;
use weir_program::config::values::parse_name;

use super::{KernelSection, ServerSection, ServiceSection};
use crate::model::{
    Checksum, Encapsulation, Endpoint, Family, Forwarding, Mark, Marks, Persistence, Protocol, SchedulerFlags, Service,
    hashes_clients,
};
use crate::settings::{Edges, ForwardingMethod, Method, ServiceCheck, StaticServer, VirtualService};
use crate::vip_checks::services::static_probe_services;

/// The services, and the marks of their endpoints.
pub(super) fn services(kernel: &KernelSection) -> Result<(Vec<VirtualService>, Marks), SectionError> {
    let explicit_marks = explicit_marks(kernel)?;
    let virtual_addresses: BTreeSet<_> =
        kernel.services.iter().flat_map(|section| section.get_ref().addresses.iter().copied()).collect();
    let mut free = kernel.marks.iter().filter(|mark| !explicit_marks.contains_key(mark));
    let mut services = Vec::with_capacity(kernel.services.len());
    let mut marked = Vec::new();
    let mut packet_marks = Marks::default();
    for section in &kernel.services {
        let service = section.get_ref();
        let error = |message: String| SectionError { offset: section.span().start, message };
        let mark = service.mark.and_then(Mark::new).or_else(|| free.next());
        let mark = mark.ok_or_else(|| error("more services than `marks`; enlarge the range".to_owned()))?;
        // Directors without connection synchronisation must choose alike.
        let must_agree = kernel.directors.as_ref().is_some_and(|pair| pair.sync_interface.is_none());
        check_virtual(section, &virtual_addresses)?;
        let virtual_service = virtual_service(section, mark, !(must_agree && hashes_clients(&service.scheduler)))?;
        marked.extend(virtual_service.endpoints.iter().map(|endpoint| (*endpoint, mark)));
        let conflict =
            |conflict| error(format!("service `{}`: {conflict}; remove it from one of the services", service.name));
        packet_marks = Marks::new(marked.iter().copied()).map_err(conflict)?;
        services.push(virtual_service);
    }
    // Each server that is checked through a virtual address takes a mark as well.
    if static_probe_services(&services).len() > free.count() {
        let uses_marks = |service: &ServiceSection| service.check.as_ref().is_some_and(|check| check.through_address);
        let first = kernel.services.iter().find(|section| uses_marks(section.get_ref()));
        let message = "not enough `marks`: with `through_address`, each server takes one; enlarge the range";
        return Err(SectionError {
            offset: first.map_or(0, |section| section.span().start),
            message: message.to_owned(),
        });
    }
    Ok((services, packet_marks))
}

/// The explicit marks with their services. Also rejects invalid and duplicate names.
fn explicit_marks(kernel: &KernelSection) -> Result<BTreeMap<Mark, &str>, SectionError> {
    let mut names = BTreeSet::new();
    let mut marks = BTreeMap::new();
    for section in &kernel.services {
        let service = section.get_ref();
        let error = |message: String| SectionError { offset: section.span().start, message };
        parse_name(&service.name)
            .map_err(|expected| error(format!("`{}` is not a valid name: {expected}", service.name)))?;
        if !names.insert(&service.name) {
            let message =
                format!("duplicate service name `{}`; give each [[kernel.service]] its own name", service.name);
            return Err(error(message));
        }
        let Some(mark) = service.mark.and_then(Mark::new) else { continue };
        if let Some(other) = marks.insert(mark, service.name.as_str()) {
            let message = format!(
                "service `{}`: mark {mark} is already used by `{other}`; choose another, or none",
                service.name
            );
            return Err(error(message));
        }
    }
    Ok(marks)
}

fn virtual_service(
    section: &Spanned<ServiceSection>,
    mark: Mark,
    follows_load: bool,
) -> Result<VirtualService, SectionError> {
    let service = section.get_ref();
    let in_section = |message: String| SectionError {
        offset: section.span().start,
        message: format!("service `{}`: {message}", service.name),
    };
    check(service).map_err(in_section)?;
    let families: BTreeSet<_> = service.addresses.iter().map(|address| Family::of(*address)).collect();
    let servers = static_servers(service, &families)?;
    let has_server = |family| servers.iter().any(|server| Family::of(server.address) == family);
    let unserved = families.iter().find(|family| service.edges == Edges::None && !has_server(**family));
    if let Some(family) = unserved {
        let message = format!("no server for its {family} addresses; add a server, or remove the addresses");
        return Err(in_section(message));
    }
    let endpoints = endpoints(service);
    let health_check = service.check.as_ref().filter(|check| check.probe != Probe::None);
    let health_check = health_check.map(|check| service_check(check, &endpoints)).transpose().map_err(in_section)?;
    let virtual_service = VirtualService {
        name: service.name.clone(),
        mark,
        endpoints,
        scheduler: service.scheduler.clone(),
        families: families.into_iter().map(|family| (family, scheduling(service, family))).collect(),
        method: forwarding_method(service.method, service),
        upper_threshold: service.upper_threshold,
        lower_threshold: service.lower_threshold,
        edges: service.edges.clone(),
        servers,
        sorry: service.sorry_server.clone(),
        quorum: service.quorum as usize,
        hysteresis: service.hysteresis as usize,
        drain: service.drain,
        check: health_check,
        follows_load,
    };
    let count = |family| virtual_service.servers.iter().filter(|server| Family::of(server.address) == family).count();
    let least = virtual_service.families.keys().map(|family| (count(*family), family)).min();
    let is_too_few = |count: usize| service.edges == Edges::None && virtual_service.quorum > count;
    if let Some((count, family)) = least.filter(|(count, _)| is_too_few(*count)) {
        let quorum = virtual_service.quorum;
        return Err(in_section(format!("`quorum` is {quorum}, but there are only {count} {family} servers")));
    }
    Ok(virtual_service)
}

fn static_servers(service: &ServiceSection, families: &BTreeSet<Family>) -> Result<Vec<StaticServer>, SectionError> {
    let mut servers: Vec<StaticServer> = Vec::with_capacity(service.servers.len());
    for section in &service.servers {
        let server = static_server(service, section.get_ref());
        let error = |message: String| SectionError { offset: section.span().start, message };
        if servers.iter().any(|other| other.address == server.address) {
            return Err(error(format!("duplicate server {}; increase its weight instead", server.address)));
        }
        if !families.contains(&Family::of(server.address)) {
            let (address, family) = (server.address, Family::of(server.address));
            return Err(error(format!("server {address}: the service has no {family} addresses")));
        }
        servers.push(server);
    }
    Ok(servers)
}

/// The health check with its port: the configured one, or the first port of the probe's protocol.
fn service_check(check: &Check, endpoints: &[Endpoint]) -> Result<ServiceCheck, String> {
    let protocol = if matches!(check.probe, Probe::Udp(_)) { Protocol::Udp } else { Protocol::Tcp };
    let first = || endpoints.iter().find(|endpoint| endpoint.protocol == protocol);
    let port = check.port.map(u16::from).or_else(|| first().map(|endpoint| endpoint.ports.first()));
    let port =
        port.ok_or_else(|| format!("the check has no port, and the service has no {protocol} port; add `port`"))?;
    Ok(ServiceCheck { settings: Arc::new(check.clone()), port })
}

/// Rejects servers at virtual addresses. Packets to those stay on this machine, so they cannot be forwarded.
fn check_virtual(section: &Spanned<ServiceSection>, virtual_addresses: &BTreeSet<IpAddr>) -> Result<(), SectionError> {
    let service = section.get_ref();
    for server in &service.servers {
        let ServerSection { address, .. } = server.get_ref();
        if virtual_addresses.contains(address) && server.get_ref().method(service) != Method::Local {
            let message = format!("server {address} is a virtual address, which this machine has itself; remove it");
            return Err(SectionError { offset: server.span().start, message });
        }
    }
    let sorry = service.sorry_server.iter().find(|address| virtual_addresses.contains(address));
    if let Some(address) = sorry.filter(|_| service.method != Method::Local) {
        let message = format!("service `{}`: sorry server {address} is a virtual address; remove it", service.name);
        return Err(SectionError { offset: section.span().start, message });
    }
    Ok(())
}

/// Checks a service without its servers.
fn check(service: &ServiceSection) -> Result<(), String> {
    if service.addresses.is_empty() {
        return Err("no addresses; add one to `addresses`".to_owned());
    }
    if service.tcp.is_empty() && service.udp.is_empty() {
        return Err("no ports; add some to `tcp` or `udp`".to_owned());
    }
    if service.servers.is_empty() && service.edges == Edges::None {
        return Err("no servers; add a [[kernel.service.server]], or `edges = true`".to_owned());
    }
    if service.lower_threshold > service.upper_threshold {
        return Err("`lower_threshold` is above `upper_threshold`; swap them".to_owned());
    }
    check_through_address(service)?;
    if service.one_packet && !service.tcp.is_empty() {
        return Err("`one_packet` is for UDP only; put TCP ports into another service".to_owned());
    }
    let mut sorry_families = BTreeSet::new();
    for address in &service.sorry_server {
        let family = Family::of(*address);
        if !sorry_families.insert(family) {
            return Err(format!("two {family} sorry servers; remove one"));
        }
        if !service.addresses.iter().any(|address| Family::of(*address) == family) {
            return Err(format!("sorry server {address}: the service has no {family} addresses"));
        }
        if service.servers.iter().any(|server| server.get_ref().address == *address) {
            return Err(format!("sorry server {address} is also one of the servers; remove one of the two"));
        }
    }
    Ok(())
}

/// Checks the requirements of a check through the virtual address.
fn check_through_address(service: &ServiceSection) -> Result<(), String> {
    let Some(check) = service.check.as_ref().filter(|check| check.through_address) else { return Ok(()) };
    let mut methods = service.servers.iter().filter_map(|server| server.get_ref().method).chain([service.method]);
    if methods.any(|method| method == Method::Local) {
        return Err("`through_address` cannot be used with method `local`; remove it".to_owned());
    }
    if let Some(address) = check.source.iter().find(|address| service.addresses.contains(address)) {
        return Err(format!("`source` {address} is a virtual address, which servers have as well; remove it"));
    }
    Ok(())
}

fn static_server(service: &ServiceSection, server: &ServerSection) -> StaticServer {
    StaticServer {
        address: server.address,
        weight: server.weight,
        method: forwarding_method(server.method(service), service),
    }
}

fn forwarding_method(method: Method, service: &ServiceSection) -> ForwardingMethod {
    let of = |ipv4, ipv6| ForwardingMethod { method, ipv4, ipv6 };
    let both = |forwarding| of(forwarding, forwarding);
    // The key's range is that of ports.
    let port = u16::try_from(service.gue_port).unwrap_or(u16::MAX);
    let gue = |checksum| Forwarding::Tunnel(Encapsulation::Gue { port, checksum });
    match method {
        Method::Direct => both(Forwarding::DirectRoute),
        Method::Nat => both(Forwarding::Masquerade),
        Method::Ipip => both(Forwarding::Tunnel(Encapsulation::Ipip)),
        // Receivers drop UDP without a checksum over IPv6 (RFC 8200, section 8.1).
        Method::Gue => of(gue(Checksum::None), gue(Checksum::Full)),
        Method::Gre => both(Forwarding::Tunnel(Encapsulation::Gre { checksum: Checksum::None })),
        Method::Local => both(Forwarding::Local),
    }
}

fn endpoints(service: &ServiceSection) -> Vec<Endpoint> {
    let of = |protocol, ports: &[_], address: IpAddr| -> Vec<Endpoint> {
        ports.iter().map(|ports| Endpoint { address, protocol, ports: *ports }).collect()
    };
    let all = |address: &IpAddr| {
        [of(Protocol::Tcp, &service.tcp, *address), of(Protocol::Udp, &service.udp, *address)].concat()
    };
    service.addresses.iter().flat_map(all).collect()
}

fn scheduling(service: &ServiceSection, family: Family) -> Service {
    let prefix = match family {
        Family::V4 => service.persistence_prefix,
        Family::V6 => service.persistence_prefix6,
    };
    // Both keys' ranges end at 128 or below.
    let prefix = u8::try_from(prefix).unwrap_or(u8::MAX);
    Service {
        scheduler_flags: SchedulerFlags::of(&service.scheduler),
        one_packet: service.one_packet,
        persistence: service.persistence.map(|timeout| Persistence { timeout, prefix }),
        ..Service::new(service.scheduler.clone())
    }
}
