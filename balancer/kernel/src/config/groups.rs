//! From sections to groups: what each section leaves open is filled in, and what contradicts is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use toml::Spanned;
use weir_checks::check::Question;
use weir_program::config::SectionError;
use weir_program::config::values::parse_name;

use super::{Kernel, RealServer, Service};
use crate::group::{Group, Member};
use crate::model::{
    Checksum, Encapsulation, Family, Forwarding, Mark, Marks, Packets, Persistence, Protocol, SchedulerFlags,
    Service as Scheduling, hashes_clients,
};
use crate::settings::{Edges, ForwardingMethod, Method};
use crate::through::leads;

/// The services, and which of their packets get which mark.
pub(super) fn groups(kernel: &Kernel) -> Result<(Vec<Group>, Marks), SectionError> {
    let mut names = BTreeSet::new();
    let mut given = BTreeMap::new();
    for section in &kernel.services {
        let service = section.get_ref();
        let wrong = |message: String| SectionError { offset: section.span().start, message };
        parse_name(&service.name).map_err(|expected| wrong(format!("`{}` is no name: {expected}", service.name)))?;
        if !names.insert(&service.name) {
            return Err(wrong(format!("service `{}` is there twice: give them different names", service.name)));
        }
        let Some(mark) = service.mark.and_then(Mark::new) else { continue };
        if let Some(other) = given.insert(mark, &service.name) {
            let message = format!("mark {mark} is `{other}`'s already: give `{}` another, or none", service.name);
            return Err(wrong(message));
        }
    }
    let virtual_addresses: BTreeSet<_> =
        kernel.services.iter().flat_map(|section| section.get_ref().addresses.iter().copied()).collect();
    let mut free = kernel.marks.iter().filter(|mark| !given.contains_key(mark));
    let mut groups = Vec::with_capacity(kernel.services.len());
    let mut marked = Vec::new();
    let mut packet_marks = Marks::default();
    for section in &kernel.services {
        let service = section.get_ref();
        let wrong = |message: String| SectionError { offset: section.span().start, message };
        let mark = service.mark.and_then(Mark::new).or_else(|| free.next());
        let mark =
            mark.ok_or_else(|| wrong("there are more services than `marks`: make the range wider".to_owned()))?;
        // Two directors that tell each other of no connections must choose alike.
        let must_agree = kernel.directors.as_ref().is_some_and(|pair| pair.sync_interface.is_none());
        check_virtual(section, &virtual_addresses)?;
        let group = group(section, mark, !(must_agree && hashes_clients(&service.scheduler)))?;
        marked.extend(group.packets.iter().map(|packets| (*packets, mark)));
        let ambiguous = |error| wrong(format!("service `{}`: {error}: take them out of one of the two", service.name));
        packet_marks = Marks::new(marked.iter().copied()).map_err(ambiguous)?;
        groups.push(group);
    }
    // Each server that is checked through a virtual address takes a mark as well.
    if leads::to_members(&groups).len() > free.count() {
        let is_led = |service: &Service| service.check.as_ref().is_some_and(|check| check.through_address);
        let first = kernel.services.iter().find(|section| is_led(section.get_ref()));
        let message =
            "with `through_address` each server takes a mark, and there are too few `marks`: make the range wider";
        return Err(SectionError {
            offset: first.map_or(0, |section| section.span().start),
            message: message.to_owned(),
        });
    }
    Ok((groups, packet_marks))
}

fn group(section: &Spanned<Service>, mark: Mark, follows_load: bool) -> Result<Group, SectionError> {
    let service = section.get_ref();
    let in_section = |message: String| SectionError {
        offset: section.span().start,
        message: format!("service `{}`: {message}", service.name),
    };
    check(service).map_err(in_section)?;
    let families: BTreeSet<_> = service.addresses.iter().map(|address| Family::of(*address)).collect();
    let mut servers = Vec::with_capacity(service.servers.len());
    for server in &service.servers {
        let member = member(service, server.get_ref());
        let wrong = |message: String| SectionError { offset: server.span().start, message };
        let same = servers.iter().any(|other: &Member| other.address == member.address);
        if same {
            return Err(wrong(format!("server {} is there twice: give it more weight instead", member.address)));
        }
        if !families.contains(&Family::of(member.address)) {
            return Err(wrong(format!("server {} is of a family that no address is of", member.address)));
        }
        servers.push(member);
    }
    let served = |family| servers.iter().any(|server| Family::of(server.address) == family);
    let unserved = families.iter().find(|family| service.edges == Edges::None && !served(**family));
    if let Some(family) = unserved {
        return Err(in_section(format!("nobody serves its {family} addresses: add a server, or take them out")));
    }
    let group = Group {
        name: service.name.clone(),
        mark,
        packets: packets(service),
        services: families.into_iter().map(|family| (family, scheduling(service, family))).collect(),
        method: forwarding_method(service.method, service),
        upper_threshold: service.upper_threshold,
        lower_threshold: service.lower_threshold,
        edges: service.edges.clone(),
        servers,
        sorry: service.sorry_server.clone(),
        quorum: service.quorum as usize,
        hysteresis: service.hysteresis as usize,
        drain: service.drain,
        check: service.check.clone(),
        follows_load,
    };
    let count = |family| servers_of(&group, family);
    let least = group.services.keys().map(|family| (count(*family), family)).min();
    if let Some((most, family)) = least.filter(|(most, _)| service.edges == Edges::None && group.quorum > *most) {
        return Err(in_section(format!("its `quorum` is {}, but it has {most} servers of {family}", group.quorum)));
    }
    if group.check.as_ref().is_some_and(|check| check.question != Question::Nothing) && group.checked_port().is_none() {
        return Err(in_section("its check has no port: add `port` to it".to_owned()));
    }
    Ok(group)
}

fn servers_of(group: &Group, family: Family) -> usize {
    group.servers.iter().filter(|server| Family::of(server.address) == family).count()
}

/// What is sent to a virtual address stays on this machine, which has it: whoever is to be sent on is no server there.
fn check_virtual(section: &Spanned<Service>, virtual_addresses: &BTreeSet<IpAddr>) -> Result<(), SectionError> {
    let service = section.get_ref();
    for server in &service.servers {
        let RealServer { address, .. } = server.get_ref();
        if virtual_addresses.contains(address) && server.get_ref().method(service) != Method::Local {
            let message = format!("server {address} is a virtual address, which is this machine's: take it out");
            return Err(SectionError { offset: server.span().start, message });
        }
    }
    let sorry = service.sorry_server.iter().find(|address| virtual_addresses.contains(address));
    if let Some(address) = sorry.filter(|_| service.method != Method::Local) {
        let message = format!("service `{}`: sorry server {address} is a virtual address: take it out", service.name);
        return Err(SectionError { offset: section.span().start, message });
    }
    Ok(())
}

/// What can be said of a service without looking at its servers.
fn check(service: &Service) -> Result<(), String> {
    if service.addresses.is_empty() {
        return Err("it has no address: add one to `addresses`".to_owned());
    }
    if service.tcp.is_empty() && service.udp.is_empty() {
        return Err("it has no ports: add some to `tcp` or `udp`".to_owned());
    }
    if service.servers.is_empty() && service.edges == Edges::None {
        return Err("it has no servers: add a [[kernel.service.server]], or `edges = true`".to_owned());
    }
    if service.lower_threshold > service.upper_threshold {
        return Err("`lower_threshold` is above `upper_threshold`: swap them".to_owned());
    }
    through_address(service)?;
    if service.one_packet && !service.tcp.is_empty() {
        return Err("`one_packet` is for UDP alone: make a service of its own for TCP".to_owned());
    }
    let mut sorry_families = BTreeSet::new();
    for address in &service.sorry_server {
        let family = Family::of(*address);
        if !sorry_families.insert(family) {
            return Err("it has two sorry servers of one family: take one out".to_owned());
        }
        if !service.addresses.iter().any(|address| Family::of(*address) == family) {
            return Err(format!("sorry server {address} is of a family that no address is of"));
        }
        if service.servers.iter().any(|server| server.get_ref().address == *address) {
            return Err(format!("sorry server {address} is one of its servers, too"));
        }
    }
    Ok(())
}

/// What a check through the virtual address asks of its service.
fn through_address(service: &Service) -> Result<(), String> {
    let Some(check) = service.check.as_ref().filter(|check| check.through_address) else { return Ok(()) };
    let mut methods = service.servers.iter().filter_map(|server| server.get_ref().method).chain([service.method]);
    if methods.any(|method| method == Method::Local) {
        return Err("`through_address` is not for method `local`: the director has the address or not".to_owned());
    }
    if let Some(address) = check.source.iter().find(|address| service.addresses.contains(address)) {
        return Err(format!("`source` {address} is a virtual address, which servers have, too: take it out"));
    }
    Ok(())
}

fn member(service: &Service, server: &RealServer) -> Member {
    Member {
        address: server.address,
        weight: server.weight,
        method: forwarding_method(server.method(service), service),
    }
}

fn forwarding_method(method: Method, service: &Service) -> ForwardingMethod {
    let of = |four, six| ForwardingMethod { method, four, six };
    let both = |forwarding| of(forwarding, forwarding);
    // Within the range of ports.
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

fn packets(service: &Service) -> Vec<Packets> {
    let of = |protocol, ports: &[_], address: IpAddr| -> Vec<Packets> {
        ports.iter().map(|ports| Packets { address, protocol, ports: *ports }).collect()
    };
    let all = |address: &IpAddr| {
        [of(Protocol::Tcp, &service.tcp, *address), of(Protocol::Udp, &service.udp, *address)].concat()
    };
    service.addresses.iter().flat_map(all).collect()
}

fn scheduling(service: &Service, family: Family) -> Scheduling {
    let prefix = match family {
        Family::V4 => service.persistence_prefix,
        Family::V6 => service.persistence_prefix6,
    };
    // Both are at most 128.
    let prefix = u8::try_from(prefix).unwrap_or(u8::MAX);
    Scheduling {
        scheduler_flags: SchedulerFlags::of(&service.scheduler),
        one_packet: service.one_packet,
        persistence: service.persistence.map(|timeout| Persistence { timeout, prefix }),
        ..Scheduling::new(service.scheduler.clone())
    }
}
