//! The table that marks packets, for `nft -f`. The scripts have the same effect as the netlink messages.

use std::fmt::Write;

use crate::model::{Endpoint, Family, Mark, Marks};
use crate::netlink::nftables::{FAMILIES, Hook, TABLE, comment, map};
use crate::plan::Change;

/// The script for this change; `None` if it does not concern marks.
#[must_use]
pub fn script(change: &Change) -> Option<String> {
    match change {
        Change::ReplaceMarks(marks) => Some(replace(marks)),
        Change::EditMarks { removed, added } => Some(edit(removed, added)),
        Change::RemoveMarks => Some(remove()),
        _ => None,
    }
}

/// The script that creates the table with these marks, replacing an existing one.
#[must_use]
pub fn replace(marks: &Marks) -> String {
    let mut script = format!("{}table inet {TABLE} {{\n", remove());
    for family in FAMILIES {
        let elements = marks.iter().filter(|(endpoint, _)| Family::of(endpoint.address) == family);
        let elements: Vec<_> = elements.map(|(endpoint, mark)| element(&endpoint, Some(mark))).collect();
        let address = match family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        // Writing to a string cannot fail; so below.
        let _ = writeln!(script, "\tmap {} {{\n\t\ttype {address} . inet_proto . inet_service : mark", map(family));
        let _ = writeln!(script, "\t\tflags interval");
        if !elements.is_empty() {
            let _ = writeln!(script, "\t\telements = {{\n\t\t\t{}\n\t\t}}", elements.join(",\n\t\t\t"));
        }
        script.push_str("\t}\n\n");
    }
    for hook in Hook::ALL {
        let _ = writeln!(script, "\tchain {} {{", hook.chain());
        let _ = writeln!(script, "\t\ttype filter hook {} priority mangle; policy accept;", hook.chain());
        for family in FAMILIES {
            let _ = writeln!(script, "\t\t{} comment \"{}\"", rule(hook, family), comment(family));
        }
        script.push_str(if hook == Hook::Output { "\t}\n" } else { "\t}\n\n" });
    }
    script.push_str("}\n");
    script
}

/// The script that deletes elements and adds others.
#[must_use]
pub fn edit(removed: &[Endpoint], added: &[(Endpoint, Mark)]) -> String {
    let mut script = String::new();
    let removed: Vec<_> = removed.iter().map(|endpoint| (*endpoint, None)).collect();
    let added: Vec<_> = added.iter().map(|(endpoint, mark)| (*endpoint, Some(*mark))).collect();
    for (verb, elements) in [("delete", removed), ("add", added)] {
        for (endpoint, mark) in elements {
            let map = map(Family::of(endpoint.address));
            // Writing to a string cannot fail.
            let _ = writeln!(script, "{verb} element inet {TABLE} {map} {{ {} }}", element(&endpoint, mark));
        }
    }
    script
}

/// The script that deletes the table if it exists.
#[must_use]
pub fn remove() -> String {
    format!("table inet {TABLE}\ndelete table inet {TABLE}\n")
}

fn element(endpoint: &Endpoint, mark: Option<Mark>) -> String {
    let Endpoint { address, protocol, ports } = endpoint;
    let key = format!("{address} . {protocol} . {ports}");
    mark.map_or_else(|| key.clone(), |mark| format!("{key} : {:#010x}", mark.number()))
}

fn rule(hook: Hook, family: Family) -> String {
    let condition = match hook {
        Hook::Prerouting => "",
        Hook::Output => "meta mark 0x00000000 ",
    };
    let address = match family {
        Family::V4 => "ip daddr",
        Family::V6 => "ip6 daddr",
    };
    format!("{condition}meta mark set {address} . meta l4proto . th dport map @{}", map(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PortRange, Protocol};

    fn endpoint(address: &str, protocol: Protocol, first: u16, last: u16) -> Endpoint {
        Endpoint { address: address.parse().unwrap(), protocol, ports: PortRange::new(first, last).unwrap() }
    }

    #[test]
    fn the_script_for_a_table_has_its_maps_and_rules() {
        let mark = Mark::new(257).unwrap();
        let entries = [
            (endpoint("192.0.2.10", Protocol::Tcp, 554, 554), mark),
            (endpoint("192.0.2.10", Protocol::Udp, 6950, 7150), mark),
            (endpoint("2001:db8::10", Protocol::Tcp, 554, 554), mark),
        ];
        let expected = "\
table inet weir
delete table inet weir
table inet weir {
\tmap marks4 {
\t\ttype ipv4_addr . inet_proto . inet_service : mark
\t\tflags interval
\t\telements = {
\t\t\t192.0.2.10 . tcp . 554 : 0x00000101,
\t\t\t192.0.2.10 . udp . 6950-7150 : 0x00000101
\t\t}
\t}

\tmap marks6 {
\t\ttype ipv6_addr . inet_proto . inet_service : mark
\t\tflags interval
\t\telements = {
\t\t\t2001:db8::10 . tcp . 554 : 0x00000101
\t\t}
\t}

\tchain prerouting {
\t\ttype filter hook prerouting priority mangle; policy accept;
\t\tmeta mark set ip daddr . meta l4proto . th dport map @marks4 comment \"Weir services, IPv4, form 1\"
\t\tmeta mark set ip6 daddr . meta l4proto . th dport map @marks6 comment \"Weir services, IPv6, form 1\"
\t}

\tchain output {
\t\ttype filter hook output priority mangle; policy accept;
\t\tmeta mark 0x00000000 meta mark set ip daddr . meta l4proto . th dport map @marks4 comment \"Weir services, IPv4, form 1\"
\t\tmeta mark 0x00000000 meta mark set ip6 daddr . meta l4proto . th dport map @marks6 comment \"Weir services, IPv6, form 1\"
\t}
}
";
        assert_eq!(replace(&Marks::new(entries).unwrap()), expected);
    }

    #[test]
    fn elements_are_deleted_before_others_are_added() {
        let mark = Mark::new(0x8000_0000).unwrap();
        let script = edit(
            &[endpoint("192.0.2.10", Protocol::Udp, 1024, 5000)],
            &[(endpoint("192.0.2.10", Protocol::Udp, 1024, 6000), mark)],
        );
        let expected = "\
delete element inet weir marks4 { 192.0.2.10 . udp . 1024-5000 }
add element inet weir marks4 { 192.0.2.10 . udp . 1024-6000 : 0x80000000 }
";
        assert_eq!(script, expected);
    }
}
