//! Reads iptables rules that set marks, as commands or as printed by iptables-save(8).
//!
//! ldirectord and keepalived identify a service by its mark; the packet filter decides which packets get it. Weir sets
//! marks itself, and needs the addresses and ports for that.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Imported, Service, adjust, ports};
use crate::config::parse;
use crate::model::{PortRange, Protocol};

/// Packets that a rule marks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    address: IpAddr,
    protocol: Protocol,
    ports: Vec<PortRange>,
}

/// Addresses with the same ports.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marked {
    addresses: Vec<IpAddr>,
    ports: Vec<(Protocol, PortRange)>,
}

/// Adds addresses and ports to the services of `imported` that have a mark, from the rules that set this mark. Rules
/// that have no equivalent are noted at the service.
pub fn apply(imported: &mut Imported, rules: &str) {
    let mut by_mark: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    for (index, text) in rules.lines().enumerate() {
        let Some(mark) = mark(text) else { continue };
        match read(text) {
            Ok(rule) => by_mark.entry(mark).or_default().push(rule),
            Err(reason) => {
                for service in imported.services.iter_mut().filter(|service| service.mark == Some(mark)) {
                    service.note(index + 1, format!("rule {}", text.trim()), reason);
                }
            }
        }
    }
    for service in std::mem::take(&mut imported.services) {
        // Without rules, a service stays as it is.
        let rules = service.mark.and_then(|mark| by_mark.get(&mark)).map(Vec::as_slice).unwrap_or_default();
        imported.services.extend(with_addresses(service, rules));
    }
    imported.services.iter_mut().for_each(adjust::adjust_to_addresses);
    imported.adjust_together();
}

/// Adds the addresses and ports of these rules to a service. All addresses of a service have the same ports. If those
/// of the rules do not, the service is split, so that no other packets are marked.
fn with_addresses(mut service: Service, rules: &[Rule]) -> Vec<Service> {
    let mut groups = groups(rules).into_iter();
    if let Some(Marked { addresses, ports }) = groups.next() {
        (service.addresses, service.ports) = (addresses, ports);
    }
    let others: Vec<Service> = groups
        .map(|Marked { addresses, ports }| Service {
            addresses,
            ports,
            mark: None,
            notes: Vec::new(),
            ..service.clone()
        })
        .collect();
    let mark = service.mark.filter(|_| !others.is_empty());
    if let Some(mark) = mark {
        let reason = "its addresses have different ports: split into several services, so that a client of two of them may \
                   get two servers";
        service.note(service.line, format!("mark {mark}"), reason);
    }
    let mut all = vec![service];
    all.extend(others);
    all
}

/// Groups addresses with the same ports, in the order of the rules.
fn groups(rules: &[Rule]) -> Vec<Marked> {
    let mut by_address: Vec<(IpAddr, Vec<(Protocol, PortRange)>)> = Vec::new();
    for Rule { address, protocol, ports } in rules {
        let index = by_address.iter().position(|(other, _)| other == address).unwrap_or_else(|| {
            by_address.push((*address, Vec::new()));
            by_address.len() - 1
        });
        let Some((_, known)) = by_address.get_mut(index) else { continue };
        for entry in ports.iter().map(|range| (*protocol, *range)) {
            if !known.contains(&entry) {
                known.push(entry);
            }
        }
    }
    let mut groups: Vec<Marked> = Vec::new();
    for (address, ports) in by_address {
        let is_same =
            |group: &Marked| group.ports.len() == ports.len() && ports.iter().all(|entry| group.ports.contains(entry));
        match groups.iter_mut().find(|group| is_same(group)) {
            Some(group) => group.addresses.push(address),
            None => groups.push(Marked { addresses: vec![address], ports }),
        }
    }
    groups
}

/// The mark that a rule sets.
fn mark(text: &str) -> Option<u32> {
    let mut words = text.split_whitespace().skip_while(|word| !matches!(*word, "--set-mark" | "--set-xmark"));
    let value = words.nth(1)?;
    parse::number(value.split_once('/').map_or(value, |(value, _)| value))
}

fn read(text: &str) -> Result<Rule, &'static str> {
    let (mut address, mut protocol, mut ranges) = (None, None, Vec::new());
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "!" => return Err("services have no negated conditions"),
            "-d" | "--destination" => {
                let value = words.next().unwrap_or_default();
                let host = value.strip_suffix("/32").or(value.strip_suffix("/128")).unwrap_or(value);
                address = Some(host.parse().map_err(|_| "expected a single address after -d")?);
            }
            "-p" | "--protocol" => {
                protocol = Some(match words.next() {
                    Some("tcp") => Protocol::Tcp,
                    Some("udp") => Protocol::Udp,
                    _ => return Err("services support only tcp and udp"),
                });
            }
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                let list = words.next().unwrap_or_default().split(',');
                let list: Option<Vec<_>> = list.map(ports::range).collect();
                ranges = list.filter(|list| list.iter().all(|range| range.first() > 0)).ok_or("expected ports")?;
            }
            "-s" | "--source" => match words.next() {
                Some("0/0" | "0.0.0.0/0" | "::/0") => {}
                _ => return Err("services cannot be limited to some clients"),
            },
            "-m" | "--match" => match words.next() {
                Some("tcp" | "udp" | "multiport" | "mark" | "comment") => {}
                _ => return Err("services have no such condition"),
            },
            // The place of the rule, its action, and the interface: packets to the address are marked on all
            // interfaces.
            "-A" | "--append" | "-I" | "--insert" | "-t" | "--table" | "-i" | "--in-interface" | "--set-mark"
            | "--set-xmark" | "--comment" => {
                words.next();
            }
            "-j" | "--jump" if words.next() != Some("MARK") => return Err("the rule does not set a mark"),
            "-j" | "--jump" | "-w" | "--wait" | "-4" | "-6" | "--ipv4" | "--ipv6" => {}
            "-D" | "--delete" => return Err("the rule deletes another one"),
            option if option.starts_with('-') => return Err("services have no such condition"),
            // For example, the name of the program.
            _ => {}
        }
    }
    let address = address.ok_or("the rule matches all addresses: expected -d")?;
    let protocol = protocol.ok_or("the rule matches all protocols: expected -p")?;
    if ranges.is_empty() {
        return Err("the rule matches all ports: expected --dport");
    }
    Ok(Rule { address, protocol, ports: ranges })
}
