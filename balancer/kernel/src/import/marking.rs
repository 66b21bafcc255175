//! Reads the rules of iptables that say what a mark stands for: as commands, or as `iptables-save` prints them.
//!
//! ldirectord and keepalived know a service by its mark; only the packet filter knows which packets get it. Weir installs
//! the marks itself, and so needs addresses and ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Imported, Service, fit, ports};
use crate::config::parse;
use crate::model::{PortRange, Protocol};

/// What a rule marks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    address: IpAddr,
    protocol: Protocol,
    ports: Vec<PortRange>,
}

/// Addresses that have the same ports, and these.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marked {
    addresses: Vec<IpAddr>,
    ports: Vec<(Protocol, PortRange)>,
}

/// Gives the services of `imported` that are known by a mark the addresses and ports that these rules mark. Rules that
/// mark what has no place in a service are noted at it.
pub fn apply(imported: &mut Imported, rules: &str) {
    let mut by_mark: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    for (index, text) in rules.lines().enumerate() {
        let Some(mark) = mark(text) else { continue };
        match read(text) {
            Ok(rule) => by_mark.entry(mark).or_default().push(rule),
            Err(why) => {
                for service in imported.services.iter_mut().filter(|service| service.mark == Some(mark)) {
                    service.note(index + 1, format!("rule {}", text.trim()), why);
                }
            }
        }
    }
    for service in std::mem::take(&mut imported.services) {
        let rules = service.mark.and_then(|mark| by_mark.get(&mark));
        imported.services.extend(with_addresses(service, rules.map(Vec::as_slice).unwrap_or_default()));
    }
    imported.services.iter_mut().for_each(fit::fit_to_addresses);
    imported.settle_together();
}

/// The service with what these rules mark. All addresses of a service have the same ports: where the rules' have not, it
/// becomes several, so that no packet is marked that was not.
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
        let why = "its addresses have different ports: a service for each of these, so that a client that comes to two of \
                   them may get two servers";
        service.note(service.line, format!("mark {mark}"), why);
    }
    let mut all = vec![service];
    all.extend(others);
    all
}

/// Puts addresses together that have the same ports, in the order of the rules.
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

/// The mark that this rule sets.
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
            "!" => return Err("what it leaves out cannot be said in a service"),
            "-d" | "--destination" => {
                let value = words.next().unwrap_or_default();
                let host = value.strip_suffix("/32").or(value.strip_suffix("/128")).unwrap_or(value);
                address = Some(host.parse().map_err(|_| "expected one address behind -d")?);
            }
            "-p" | "--protocol" => {
                protocol = Some(match words.next() {
                    Some("tcp") => Protocol::Tcp,
                    Some("udp") => Protocol::Udp,
                    _ => return Err("only tcp and udp have a place in a service"),
                });
            }
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                let list = words.next().unwrap_or_default().split(',');
                let list: Option<Vec<_>> = list.map(ports::range).collect();
                ranges = list.filter(|list| list.iter().all(|range| range.first() > 0)).ok_or("expected ports")?;
            }
            "-s" | "--source" => match words.next() {
                Some("0/0" | "0.0.0.0/0" | "::/0") => {}
                _ => return Err("a service takes clients from anywhere"),
            },
            "-m" | "--match" => match words.next() {
                Some("tcp" | "udp" | "multiport" | "mark" | "comment") => {}
                _ => return Err("a service has no such condition"),
            },
            // Where the rule stands and what it does; and the interface: packets to the address come in wherever they
            // come in.
            "-A" | "--append" | "-I" | "--insert" | "-t" | "--table" | "-i" | "--in-interface" | "--set-mark"
            | "--set-xmark" | "--comment" => {
                words.next();
            }
            "-j" | "--jump" if words.next() != Some("MARK") => return Err("it marks no packets"),
            "-j" | "--jump" | "-w" | "--wait" | "-4" | "-6" | "--ipv4" | "--ipv6" => {}
            "-D" | "--delete" => return Err("it takes a rule away"),
            option if option.starts_with('-') => return Err("a service has no such condition"),
            // Such as the name of the program.
            _ => {}
        }
    }
    let address = address.ok_or("it marks packets to any address: expected -d")?;
    let protocol = protocol.ok_or("it marks packets of any protocol: expected -p")?;
    if ranges.is_empty() {
        return Err("it marks packets to any port: expected --dport");
    }
    Ok(Rule { address, protocol, ports: ranges })
}
