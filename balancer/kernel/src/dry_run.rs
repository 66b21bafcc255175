//! What would be told to the kernel, as text for `nft` and `ipvsadm`: to read it first, or to do it by hand.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::desired;
use super::model::Table;
use super::plan::Change;
use super::sysctls;
use super::text::{ipvsadm, nft};
use super::through::leads::{self, Leads};
use crate::settings::{Edges, Settings};

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Both, and variables of the kernel, each under a heading.
    All,
    /// The table that marks packets, for `nft -f`.
    Nft,
    /// Services and servers, for `ipvsadm -R`.
    Ipvsadm,
}

/// The text where there is nothing in the kernel yet, and all configured servers are up.
#[must_use]
pub fn script(settings: &Settings, part: Part) -> String {
    let Settings { groups, packet_marks, .. } = settings;
    let table: Table = groups.iter().flat_map(desired::at_first).collect();
    let mut leads = Leads::new(settings.marks, groups);
    leads.assign(&leads::to_members(groups), &Table::new());
    let leads = leads.table();
    let mut lines = settings.timeouts.map(Change::SetTimeouts).and_then(|set| ipvsadm::line(&set)).unwrap_or_default();
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines.push_str(&ipvsadm::script(&table));
    let checking = ipvsadm::script(&leads);
    match part {
        Part::Nft => nft::replace(packet_marks),
        Part::Ipvsadm => lines + &checking,
        Part::All => {
            let mut text = format!("# for nft -f\n{}\n# for ipvsadm -R\n", nft::replace(packet_marks));
            for group in groups.iter().filter(|group| group.edges != Edges::None) {
                // Writing into a string does not fail.
                let _ = writeln!(text, "# `{}` has edges as servers, too, once they report", group.name);
            }
            text.push_str(&lines);
            if !leads.is_empty() {
                text.push_str("# each to one server alone, which is checked through it\n");
            }
            text + &checking + &environment(settings)
        }
    }
}

/// What the kernel is told besides: variables, as `sysctl -p` takes them, and that connections are exchanged.
fn environment(settings: &Settings) -> String {
    let directors = settings.directors.as_ref();
    let mut text = "\n# for sysctl -p\n".to_owned();
    for variable in sysctls::needed(&settings.groups, directors, &BTreeSet::new()) {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{} = {}", variable.name.replace('/', "."), variable.value.replace('\t', " "));
    }
    if let Some((pair, interface)) = directors.and_then(|pair| pair.sync_interface.as_ref().map(|name| (pair, name))) {
        let id = pair.sync_id;
        let _ = writeln!(
            text,
            "\n# on the director that has the addresses; on the other one `backup`\n\
             # ipvsadm --start-daemon master --mcast-interface {interface} --syncid {id}"
        );
    }
    text
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::config::tests::parse_settings;

    #[test]
    fn windows_media_is_as_its_document_has_it() {
        let text = r#"
            [kernel]
            tcp_timeout = "15m"
            [[kernel.service]]
            name = "windows-media"
            addresses = ["192.0.2.10"]
            tcp = ["554", "1755"]
            udp = ["554", "1755", "1024-5000"]
            mark = 1
            scheduler = "rr"
            persistence = "600s"
            method = "nat"
            edges = true
            [[kernel.service.server]]
            address = "10.10.10.1"
            weight = 1
            [[kernel.service.server]]
            address = "10.10.10.2"
            weight = 1
        "#;
        let kernel = parse_settings(text);
        let expected = "\
--set 900 0 0
-A -f 1 -s rr -p 600
-a -f 1 -r 10.10.10.1:0 -m -w 1 -x 0 -y 0
-a -f 1 -r 10.10.10.2:0 -m -w 1 -x 0 -y 0
";
        assert_eq!(script(&kernel, Part::Ipvsadm), expected);
        let rules = script(&kernel, Part::Nft);
        for entry in ["tcp . 554", "tcp . 1755", "udp . 554", "udp . 1024-5000"] {
            assert!(rules.contains(&format!("192.0.2.10 . {entry} : 0x00000001")), "{entry}: {rules}");
        }
        let all = script(&kernel, Part::All);
        let variables = "\n# for sysctl -p\nnet.ipv4.ip_forward = 1\n";
        assert!(all.contains(&rules) && all.contains(&format!("{expected}{variables}")), "{all}");
        assert!(all.contains("# `windows-media` has edges as servers, too"), "{all}");
    }

    #[test]
    fn a_scheduler_that_hashes_is_told_to_fall_back() {
        let text = r#"
            [[kernel.service]]
            name = "web"
            addresses = ["192.0.2.10"]
            tcp = ["80"]
            mark = 1
            scheduler = "mh"
            server = [{ address = "10.0.0.1" }]
        "#;
        let kernel = parse_settings(text);
        let first = script(&kernel, Part::Ipvsadm).lines().next().map(str::to_owned);
        assert_eq!(first.as_deref(), Some("-A -f 1 -s mh -b flag-1"));
    }

    #[test]
    fn what_leads_to_checked_servers_is_said_too() {
        let text = r#"
            [[kernel.service]]
            name = "web"
            addresses = ["192.0.2.10"]
            tcp = ["80"]
            check = { kind = "http", through_address = true }
            server = [{ address = "10.0.0.1" }]
        "#;
        let kernel = parse_settings(text);
        let lead = "-A -f 1459683327 -s wlc\n-a -f 1459683327 -r 10.0.0.1:0 -g -w 1 -x 0 -y 0\n";
        assert!(script(&kernel, Part::Ipvsadm).ends_with(lead));
        let all = script(&kernel, Part::All);
        assert!(all.contains(&format!("checked through it\n{lead}")), "{all}");
        assert!(!script(&kernel, Part::Nft).contains("0x5700ffff"), "only sockets of checks have that mark");
    }
}
