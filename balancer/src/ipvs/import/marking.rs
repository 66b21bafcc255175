//! Reads the rules of iptables that say what a mark stands for: as commands, or as `iptables-save` prints them.
//!
//! ldirectord and keepalived know a service by its mark; only the packet filter knows which packets get it. Weir installs
//! the marks itself, and so needs addresses and ports.

use std::net::IpAddr;

use super::{Imported, ports};
use crate::ipvs::model::{PortRange, Protocol};

/// What a rule marks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    address: IpAddr,
    protocol: Protocol,
    ports: Vec<PortRange>,
}

/// Gives the services of `imported` that are known by a mark the addresses and ports that these rules mark. Rules that
/// mark what has no place in a service are noted at it.
pub fn apply(imported: &mut Imported, rules: &str) {
    for (index, text) in rules.lines().enumerate() {
        let number = index + 1;
        let Some(mark) = mark(text) else { continue };
        for service in imported.services.iter_mut().filter(|service| service.mark == Some(mark)) {
            match read(text) {
                Ok(rule) => {
                    if !service.addresses.contains(&rule.address) {
                        service.addresses.push(rule.address);
                    }
                    for entry in rule.ports.into_iter().map(|range| (rule.protocol, range)) {
                        if !service.ports.contains(&entry) {
                            service.ports.push(entry);
                        }
                    }
                }
                Err(why) => service.note(number, format!("rule {}", text.trim()), why),
            }
        }
    }
    imported.leave_out_ambiguous();
}

/// The mark that this rule sets.
fn mark(text: &str) -> Option<u32> {
    let mut words = text.split_whitespace().skip_while(|word| !matches!(*word, "--set-mark" | "--set-xmark"));
    let value = words.nth(1)?;
    let value = value.split_once('/').map_or(value, |(value, _)| value);
    match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
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
            "-s" | "--source" if !matches!(words.next(), Some("0/0" | "0.0.0.0/0" | "::/0")) => {
                return Err("a service takes clients from anywhere");
            }
            // Such as -i: packets to the address come in wherever they come in.
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
