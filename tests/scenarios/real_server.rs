//! The agent makes real servers of machines: they take what clients send to the virtual address, and tell nobody of it.

use std::net::SocketAddr;

use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::{Method, alone};
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::visits;

use crate::by_hand;

/// Clients of each family.
const CLIENTS: usize = 20;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    by_hand::install(director, "rr", Method::Direct, &site.servers);
    for server in &site.servers {
        forget(&server.host);
        let said = direct_routing(&server.host, "apply");
        let silence = said.find("arp_ignore=1").expect("silence");
        assert!(said.find("ip address add").is_some_and(|address| silence < address), "silence comes first: {said}");
        assert!(direct_routing(&server.host, "verify").contains("ready"));
        assert!(direct_routing(&server.host, "apply").contains("nothing"));
    }
    let mut measured = Vec::new();
    for (address, family) in VIRTUAL.into_iter().zip(["IPv4", "IPv6"]) {
        // Whoever the client knows by the address is the director.
        site.client.call("ip neighbour flush all");
        let tally = visits(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
        for server in &site.servers {
            assert_eq!(tally.of(server.host.name()), CLIENTS / 2, "{family}: {tally}");
        }
        measured.push(format!("{family} {tally}"));
    }
    let host = &site.servers[0].host;
    direct_routing(host, "undo");
    let left = host.call("ip -brief address show dev lo");
    assert!(VIRTUAL.iter().all(|address| !left.contains(&alone(*address))), "{left}");
    let settings = ["arp_ignore", "arp_announce"].map(|name| host.call(&format!("sysctl -n net.ipv4.conf.all.{name}")));
    assert_eq!(settings.each_ref().map(|value| value.trim()), ["0", "0"]);
    measured.join("; ")
}

/// Takes away what the site gave the server by hand.
fn forget(host: &Host) {
    for address in VIRTUAL {
        host.call(&format!("ip address delete {} dev lo", alone(address)));
    }
    host.set("net/ipv4/conf/all/arp_ignore", "0");
    host.set("net/ipv4/conf/all/arp_announce", "0");
}

fn direct_routing(host: &Host, action: &str) -> String {
    let state = host.folder().join("direct-routing");
    let [four, six] = VIRTUAL;
    host.call(&format!(
        "weir-agent direct-routing --address {four} --address {six} --state {} {action}",
        state.display()
    ))
}
