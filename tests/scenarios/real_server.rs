//! The agent sets up machines as real servers: they accept packets to the virtual address, and do not answer ARP
//! requests for it.

use std::net::SocketAddr;

use weir_tests::kernel::connection::open_connections;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::{Method, host_prefix};
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};

use crate::plain_lvs;

/// Number of clients of each family.
const CLIENTS: usize = 20;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    plain_lvs::install(director, "rr", Method::Direct, &site.servers);
    for server in &site.servers {
        reset(&server.host);
        let output = direct_routing(&server.host, "apply");
        let arp = output.find("arp_ignore=1").expect("the ARP setting");
        assert!(
            output.find("ip address add").is_some_and(|address| arp < address),
            "ARP settings come first: {output}"
        );
        assert!(direct_routing(&server.host, "verify").contains("ready"));
        assert!(direct_routing(&server.host, "apply").contains("nothing"));
    }
    let mut measured = Vec::new();
    for (address, family) in VIRTUAL.into_iter().zip(["IPv4", "IPv6"]) {
        // The client must resolve the address to the director.
        site.client.call("ip neighbour flush all");
        let tally = open_connections(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
        for server in &site.servers {
            assert_eq!(tally.of(server.host.name()), CLIENTS / 2, "{family}: {tally}");
        }
        measured.push(format!("{family} {tally}"));
    }
    let host = &site.servers[0].host;
    direct_routing(host, "undo");
    let left = host.call("ip -brief address show dev lo");
    assert!(VIRTUAL.iter().all(|address| !left.contains(&host_prefix(*address))), "{left}");
    let settings = ["arp_ignore", "arp_announce"].map(|name| host.call(&format!("sysctl -n net.ipv4.conf.all.{name}")));
    assert_eq!(settings.each_ref().map(|value| value.trim()), ["0", "0"]);
    measured.join("; ")
}

/// Reverts the settings of the site's real server.
fn reset(host: &Host) {
    for address in VIRTUAL {
        host.call(&format!("ip address delete {} dev lo", host_prefix(address)));
    }
    host.set_sysctl("net/ipv4/conf/all/arp_ignore", "0");
    host.set_sysctl("net/ipv4/conf/all/arp_announce", "0");
}

fn direct_routing(host: &Host, action: &str) -> String {
    let state = host.folder().join("direct-routing");
    let [ipv4, ipv6] = VIRTUAL;
    host.call(&format!(
        "weir-agent direct-routing --address {ipv4} --address {ipv6} --state {} {action}",
        state.display()
    ))
}
