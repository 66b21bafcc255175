//! All forwarding methods, configured by Weir: TCP and UDP of both families, with one mark, reach all servers.

use std::net::SocketAddr;

use weir_tests::kernel::connection::{open_connections, send_datagrams};
use weir_tests::kernel::ipvs::ServiceKey;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTP_PORTS, RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::Balancer;

/// Number of clients of each kind. Round robin sends exactly half to each of two servers.
const CLIENTS: usize = 20;

pub(crate) fn both_families() -> String {
    [("nat", Method::Nat), ("direct", Method::Direct)].map(forwards).join("; ")
}

pub(crate) fn tunnels() -> String {
    [("ipip", Method::Ipip), ("gue", Method::Gue), ("gre", Method::Gre)].map(forwards).join("; ")
}

/// Tests a method, given with its name in the configuration.
fn forwards((name, method): (&str, Method)) -> String {
    let site = Site::new(method, 1, 2);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    let configuration = director.write("weir.toml", &configuration(name, &site));
    let mut balancer = Balancer::start(director, &configuration);
    balancer.await_kernel();
    let table = director.ipvs();
    let keys: Vec<&ServiceKey> = table.services.iter().map(|service| &service.key).collect();
    assert!(
        matches!(keys[..], [one, other] if one == other),
        "{name}: one mark with a service of each family: {table:?}"
    );
    for address in site.servers.iter().flat_map(|server| server.addresses) {
        let methods: Vec<&str> = table.servers(address).map(|server| server.forward.as_str()).collect();
        assert_eq!(methods, [method.to_string()], "{name}, {address}: {table:?}");
    }
    for (address, family) in VIRTUAL.into_iter().zip(["IPv4", "IPv6"]) {
        let tcp = open_connections(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
        let udp = send_datagrams(&site.client, SocketAddr::new(address, RTP), CLIENTS);
        for server in &site.servers {
            let (server, half) = (server.host.name(), CLIENTS / 2);
            assert_eq!((tcp.of(server), udp.of(server)), (half, half), "{name}, {family}: tcp {tcp}; udp {udp}");
        }
    }
    let _ = balancer.process.terminate().expect_success();
    assert!(director.ipvs().services.is_empty(), "{name}: all services are deleted: {:?}", director.ipvs());
    format!("{name}: {CLIENTS} connections and {CLIENTS} datagrams of each family, half to each server")
}

fn configuration(method: &str, site: &Site) -> String {
    let [ipv4, ipv6] = VIRTUAL;
    let last = RTP + RTP_PORTS - 1;
    let server = |address| format!("[[kernel.service.server]]\naddress = \"{address}\"\n");
    let servers: String = site.servers.iter().flat_map(|server| server.addresses).map(server).collect();
    format!(
        "[kernel]\nonly = true\non_exit = \"remove\"\n\
         [[kernel.service]]\nname = \"media\"\naddresses = [\"{ipv4}\", \"{ipv6}\"]\n\
         tcp = [\"{RTSP}\"]\nudp = [\"{RTP}-{last}\"]\nscheduler = \"rr\"\nmethod = \"{method}\"\n{servers}"
    )
}
