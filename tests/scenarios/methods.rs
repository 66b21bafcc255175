//! Every way to forward, set up by Weir alone: TCP and UDP of both families, under one mark, reach all servers.

use std::net::SocketAddr;

use weir_tests::kernel::ipvs::Packets;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTP_PORTS, RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::{questions, visits};
use weir_tests::kernel::weir::Balancer;

/// Clients of each kind. Round robin gives each of two servers exactly half.
const CLIENTS: usize = 20;

pub(crate) fn both_families() -> String {
    [("nat", Method::Nat), ("direct", Method::Direct)].map(forwards).join("; ")
}

pub(crate) fn tunnels() -> String {
    [("ipip", Method::Ipip), ("gue", Method::Gue), ("gre", Method::Gre)].map(forwards).join("; ")
}

/// The method by the name that the configuration has for it.
fn forwards((name, method): (&str, Method)) -> String {
    let site = Site::new(method, 1, 2);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    let configuration = director.write("weir.toml", &configuration(name, &site));
    let mut balancer = Balancer::start(director, &configuration);
    balancer.await_kernel();
    let table = director.ipvs();
    let marks: Vec<&Packets> = table.services.iter().map(|service| &service.packets).collect();
    assert!(
        matches!(marks[..], [one, other] if one == other),
        "{name}: one mark, and a service of each family: {table:?}"
    );
    for address in site.servers.iter().flat_map(|server| server.addresses) {
        let ways: Vec<&str> = table.servers(address).map(|server| server.forward.as_str()).collect();
        assert_eq!(ways, [method.to_string()], "{name}, {address}: {table:?}");
    }
    for (address, family) in VIRTUAL.into_iter().zip(["IPv4", "IPv6"]) {
        let tcp = visits(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
        let udp = questions(&site.client, SocketAddr::new(address, RTP), CLIENTS);
        for server in &site.servers {
            let (server, half) = (server.host.name(), CLIENTS / 2);
            assert_eq!((tcp.of(server), udp.of(server)), (half, half), "{name}, {family}: tcp {tcp}; udp {udp}");
        }
    }
    let _ = balancer.process.terminate().expect_success();
    assert!(director.ipvs().services.is_empty(), "nothing is left of {name}: {:?}", director.ipvs());
    format!("{name}: {CLIENTS} connections and {CLIENTS} questions of each family, half to each server")
}

fn configuration(method: &str, site: &Site) -> String {
    let [four, six] = VIRTUAL;
    let last = RTP + RTP_PORTS - 1;
    let server = |address| format!("[[kernel.service.server]]\naddress = \"{address}\"\n");
    let servers: String = site.servers.iter().flat_map(|server| server.addresses).map(server).collect();
    format!(
        "[kernel]\nonly = true\non_exit = \"remove\"\n\
         [[kernel.service]]\nname = \"media\"\naddresses = [\"{four}\", \"{six}\"]\n\
         tcp = [\"{RTSP}\"]\nudp = [\"{RTP}-{last}\"]\nscheduler = \"rr\"\nmethod = \"{method}\"\n{servers}"
    )
}
