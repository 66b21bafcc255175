//! The changes that a configuration would make to an empty kernel, for `nft`, `ipvsadm` and `sysctl`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::desired;
use super::model::Table;
use super::plan::Change;
use super::sysctls;
use super::text::{ipvsadm, nft};
use super::vip_checks::services::{self, ProbeServices};
use crate::settings::{Edges, Settings};

/// The output to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything, including sysctls, each part with a heading.
    All,
    /// The table that marks packets, for `nft -f`.
    Nft,
    /// Timeouts, services and servers, for `ipvsadm -R`.
    Ipvsadm,
}

/// The script for an empty kernel, with all configured servers up.
#[must_use]
pub fn script(settings: &Settings, part: Part) -> String {
    let Settings { services, packet_marks, .. } = settings;
    let table: Table = services.iter().flat_map(desired::initial_table).collect();
    let mut probe_services = ProbeServices::new(settings.mark_range, services);
    probe_services.assign(&services::static_probe_services(services), &Table::new());
    let probe_services = ipvsadm::script(&probe_services.table());
    let mut lines = String::new();
    if let Some(set) = settings.timeouts.and_then(|timeouts| ipvsadm::line(&Change::SetTimeouts(timeouts))) {
        lines = set + "\n";
    }
    lines.push_str(&ipvsadm::script(&table));
    match part {
        Part::Nft => nft::replace(packet_marks),
        Part::Ipvsadm => lines + &probe_services,
        Part::All => {
            let mut text = format!("# for nft -f\n{}\n# for ipvsadm -R\n", nft::replace(packet_marks));
            for service in services.iter().filter(|service| service.edges != Edges::None) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "# `{}` also gets the edges that report", service.name);
            }
            text.push_str(&lines);
            if !probe_services.is_empty() {
                text.push_str("# probe services: one real server each, for checks through the virtual address\n");
            }
            text + &probe_services + &environment(settings)
        }
    }
}

/// The sysctls, for `sysctl -p`, and the commands that start the sync daemons.
fn environment(settings: &Settings) -> String {
    let directors = settings.directors.as_ref();
    let mut text = "\n# for sysctl -p\n".to_owned();
    for sysctl in sysctls::required(&settings.services, directors, &BTreeSet::new()) {
        // Writing to a string cannot fail; so below.
        let _ = writeln!(text, "{} = {}", sysctl.name.replace('/', "."), sysctl.value.replace('\t', " "));
    }
    if let Some((pair, interface)) = directors.and_then(|pair| pair.sync_interface.as_ref().map(|name| (pair, name))) {
        let id = pair.sync_id;
        let _ = writeln!(
            text,
            "\n# on the director that has the virtual addresses; on the other one, `backup` instead of `master`\n\
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
    fn the_script_for_windows_media_matches_its_documentation() {
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
        assert!(all.contains("# `windows-media` also gets the edges that report\n"), "{all}");
    }

    #[test]
    fn a_hashing_scheduler_gets_its_fallback_flag() {
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
    fn probe_services_are_part_of_the_script() {
        let text = r#"
            [[kernel.service]]
            name = "web"
            addresses = ["192.0.2.10"]
            tcp = ["80"]
            check = { kind = "http", through_address = true }
            server = [{ address = "10.0.0.1" }]
        "#;
        let kernel = parse_settings(text);
        let probe_service = "-A -f 1459683327 -s wlc\n-a -f 1459683327 -r 10.0.0.1:0 -g -w 1 -x 0 -y 0\n";
        assert!(script(&kernel, Part::Ipvsadm).ends_with(probe_service));
        let all = script(&kernel, Part::All);
        assert!(all.contains(&format!("for checks through the virtual address\n{probe_service}")), "{all}");
        assert!(!script(&kernel, Part::Nft).contains("0x5700ffff"), "only sockets of checks have that mark");
    }
}
