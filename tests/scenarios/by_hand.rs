//! The guest and its networks do what kernel mode needs, shown without Weir: `nft` marks and `ipvsadm` forwards.

use std::net::SocketAddr;

use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTP_PORTS, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::visitor::{questions, visits};

/// Clients of each kind. Round robin gives each of two servers exactly half.
const CLIENTS: usize = 20;

/// The mark of the one service.
const MARK: u32 = 7;

pub(crate) fn nat() -> String {
    forwards(Method::Nat)
}

pub(crate) fn direct() -> String {
    forwards(Method::Direct)
}

/// TCP and UDP of both families, all under one mark, reach both servers by this method.
fn forwards(method: Method) -> String {
    let site = Site::new(method, 1, 2);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    install(director, "rr", method, &site.servers);
    let mut measured = Vec::new();
    for (address, family) in VIRTUAL.into_iter().zip(["IPv4", "IPv6"]) {
        let tcp = visits(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
        let udp = questions(&site.client, SocketAddr::new(address, RTP), CLIENTS);
        for server in &site.servers {
            let (name, half) = (server.host.name(), CLIENTS / 2);
            assert_eq!((tcp.of(name), udp.of(name)), (half, half), "{family}: tcp {tcp}; udp {udp}");
        }
        measured.push(format!("{family} tcp {tcp}, udp {udp}"));
    }
    for address in site.servers.iter().flat_map(|server| server.addresses) {
        let table = director.ipvs();
        let ways: Vec<&str> = table.servers(address).map(|server| server.forward.as_str()).collect();
        assert_eq!(ways, [method.to_string()], "{address}: {table:?}");
    }
    measured.join("; ")
}

/// One service of IPv4 and one of IPv6 for RTSP and RTP to the virtual address, both under [`MARK`].
pub(crate) fn install(director: &Host, scheduler: &str, method: Method, servers: &[Server]) {
    let [four, six] = VIRTUAL;
    let rtp = format!("{RTP}-{}", RTP + RTP_PORTS - 1);
    let rules = director.write(
        "marks.nft",
        &format!(
            "table inet by_hand {{
                chain marks {{
                    type filter hook prerouting priority mangle
                    ip daddr {four} tcp dport {RTSP} meta mark set {MARK}
                    ip daddr {four} udp dport {rtp} meta mark set {MARK}
                    ip6 daddr {six} tcp dport {RTSP} meta mark set {MARK}
                    ip6 daddr {six} udp dport {rtp} meta mark set {MARK}
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
            director.call(&format!("ipvsadm --add-server {service} --real-server {address} {}", method.options()));
        }
    }
}
