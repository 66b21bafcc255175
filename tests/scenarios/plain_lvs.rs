//! The guest and its networks support kernel mode, shown without Weir: `nft` sets marks, and `ipvsadm` configures
//! forwarding.

use std::net::SocketAddr;

use weir_tests::kernel::connection::{open_connections, send_datagrams};
use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTP_PORTS, RTSP, Server, Site, VIRTUAL};

/// Number of clients of each kind. Round robin sends exactly half to each of two servers.
const CLIENTS: usize = 20;

/// Mark of the service.
const MARK: u32 = 7;

pub(crate) fn nat() -> String {
    forwards(Method::Nat)
}

pub(crate) fn direct() -> String {
    forwards(Method::Direct)
}

/// TCP and UDP of both families, all with one mark, reach both servers with this method.
fn forwards(method: Method) -> String {
    let site = Site::new(method, 1, 2);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    install(director, "rr", method, &site.servers);
    let mut measured = Vec::new();
    for (address, family) in VIRTUAL.into_iter().zip(["IPv4", "IPv6"]) {
        let tcp = open_connections(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
        let udp = send_datagrams(&site.client, SocketAddr::new(address, RTP), CLIENTS);
        for server in &site.servers {
            let (name, half) = (server.host.name(), CLIENTS / 2);
            assert_eq!((tcp.of(name), udp.of(name)), (half, half), "{family}: tcp {tcp}; udp {udp}");
        }
        measured.push(format!("{family} tcp {tcp}, udp {udp}"));
    }
    for address in site.servers.iter().flat_map(|server| server.addresses) {
        let table = director.ipvs();
        let methods: Vec<&str> = table.servers(address).map(|server| server.forward.as_str()).collect();
        assert_eq!(methods, [method.to_string()], "{address}: {table:?}");
    }
    measured.join("; ")
}

/// Configures an IPv4 and an IPv6 service for RTSP and RTP on the virtual addresses, both with [`MARK`].
pub(crate) fn install(director: &Host, scheduler: &str, method: Method, servers: &[Server]) {
    let [ipv4, ipv6] = VIRTUAL;
    let rtp = format!("{RTP}-{}", RTP + RTP_PORTS - 1);
    let rules = director.write(
        "marks.nft",
        &format!(
            "table inet plain_lvs {{
                chain marks {{
                    type filter hook prerouting priority mangle
                    ip daddr {ipv4} tcp dport {RTSP} meta mark set {MARK}
                    ip daddr {ipv4} udp dport {rtp} meta mark set {MARK}
                    ip6 daddr {ipv6} tcp dport {RTSP} meta mark set {MARK}
                    ip6 daddr {ipv6} udp dport {rtp} meta mark set {MARK}
                }}
            }}\n"
        ),
    );
    director.call(&format!("nft --file {}", rules.display()));
    for (family, option) in [(0, ""), (1, "--ipv6")] {
        let service = format!("--fwmark-service {MARK} {option}");
        director.call(&format!("ipvsadm --add-service {service} --scheduler {scheduler}"));
        for address in servers.iter().map(|server| server.addresses[family]) {
            let address = if address.is_ipv6() { format!("[{address}]:0") } else { address.to_string() };
            director
                .call(&format!("ipvsadm --add-server {service} --real-server {address} {}", method.ipvsadm_options()));
        }
    }
}
