//! Endpoints of a virtual server: an address and a port, a mark, or a group of these.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::super::{Imported, ports};
use super::statement::Statement;
use crate::model::PortRange;

/// Endpoints of a virtual server.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoints {
    pub(super) marks: Vec<u32>,
    /// Addresses by port range. All addresses of a service have the same ports.
    pub(super) addresses: BTreeMap<PortRange, Vec<IpAddr>>,
}

/// Groups by name.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<String, Endpoints>);

impl Groups {
    pub(super) fn read(statements: &[Statement], imported: &mut Imported) -> Self {
        let mut groups = Self::default();
        for statement in statements.iter().filter(|statement| statement.name() == "virtual_server_group") {
            imported.imported_lines.insert(statement.line);
            let group = groups.0.entry(statement.argument(0).to_owned()).or_default();
            for member in &statement.block {
                match group.add(&member.words) {
                    Ok(()) => _ = imported.imported_lines.insert(member.line),
                    Err(reason) => imported.note(member.line, member.text(), reason),
                }
            }
        }
        groups
    }

    /// The endpoints in the arguments of `virtual_server`.
    pub(super) fn endpoints(&self, words: &[String]) -> Result<Endpoints, &'static str> {
        if let [group, name] = words
            && group == "group"
        {
            return self.0.get(name).cloned().ok_or("no such group");
        }
        let mut endpoints = Endpoints::default();
        endpoints.add(words)?;
        Ok(endpoints)
    }
}

impl Endpoints {
    fn add(&mut self, words: &[String]) -> Result<(), &'static str> {
        const EXPECTED: &str = "expected an address and a port, fwmark and a number, or group and a name";
        let (first, second) = match words {
            [first] => (first, "0"),
            [first, second, ..] => (first, second.as_str()),
            [] => return Err(EXPECTED),
        };
        if first == "fwmark" {
            let mark = second.parse().ok().filter(|mark| *mark > 0).ok_or("expected a mark of at least 1")?;
            if !self.marks.contains(&mark) {
                self.marks.push(mark);
            }
            return Ok(());
        }
        let addresses = addresses(first).ok_or(EXPECTED)?;
        // No port, or port 0, means all ports.
        let range = match ports::range(second).ok_or(EXPECTED)? {
            range if range.last() == 0 => PortRange::new(1, u16::MAX).ok_or(EXPECTED)?,
            range if range.first() > 0 => range,
            _ => return Err(EXPECTED),
        };
        let present = self.addresses.entry(range).or_default();
        for address in addresses {
            if !present.contains(&address) {
                present.push(address);
            }
        }
        Ok(())
    }
}

/// An address, or a range such as `192.0.2.1-9`, `192.0.2.250-192.0.3.9` and `192.0.2.8/29`.
fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    if let Some((first, length)) = text.split_once('/') {
        let first: Ipv4Addr = first.parse().ok()?;
        let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
        let host = u32::MAX.checked_shr(length).unwrap_or(0);
        let first = u32::from(first) & !host;
        return ports::addresses(first.into(), (first | host).into());
    }
    let Some((first, last)) = text.split_once('-') else { return Some(vec![text.parse().ok()?]) };
    let first: Ipv4Addr = first.parse().ok()?;
    let [a, b, c, _] = first.octets();
    let last = last.parse().ok().or_else(|| Some(Ipv4Addr::new(a, b, c, last.parse().ok()?)));
    ports::addresses(first, last?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_three_forms() {
        for (text, expected) in [
            ("192.0.2.1", Some(("192.0.2.1", 1))),
            ("2001:db8::1", Some(("2001:db8::1", 1))),
            ("192.0.2.1-9", Some(("192.0.2.1", 9))),
            ("192.0.2.250-192.0.3.9", Some(("192.0.2.250", 16))),
            ("192.0.2.9/29", Some(("192.0.2.8", 8))),
            ("192.0.2.9/32", Some(("192.0.2.9", 1))),
            ("192.0.2.9/8", None),
            ("192.0.2.9/33", None),
            ("192.0.2.9-1", None),
        ] {
            let found = addresses(text).map(|found| (found[0].to_string(), found.len()));
            assert_eq!(found, expected.map(|(first, count)| (first.to_owned(), count)), "{text}");
        }
    }
}
