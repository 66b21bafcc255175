//! The guest and its networks do what kernel mode needs, shown without Weir: `nft` marks and `ipvsadm` forwards.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::flow::Flow;
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

pub(crate) fn tunnels() -> String {
    let ways = [(Method::Ipip, "ipip"), (Method::Gue, "gue"), (Method::Gre, "gre")];
    ways.map(|(method, name)| format!("{name}: {}", forwards(method))).join("; ")
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

/// New connections follow the weights; a flow stays where it is, and loses nothing while they change.
pub(crate) fn weights() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    install(director, "wrr", Method::Direct, &site.servers);
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(5));
    flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    let [first, second] = &site.servers[..] else { panic!("two servers") };
    let mut measured = Vec::new();
    for (weight_of_first, weight_of_second) in [(1, 3), (3, 1)] {
        let start = Instant::now();
        weigh(director, first, weight_of_first);
        weigh(director, second, weight_of_second);
        let took = start.elapsed() / 2;
        assert_eq!(director.ipvs().weights(first.addresses[0]), [weight_of_first]);
        let tally = visits(&site.client, service, 40);
        let expected = [weight_of_first, weight_of_second].map(|weight| 10 * weight as usize);
        assert_eq!([first, second].map(|server| tally.of(server.host.name())), expected, "{tally}");
        measured.push(format!("weights {weight_of_first}:{weight_of_second} set in {took:.1?} each gave {tally}"));
    }
    let delivery = flow.finish();
    assert_eq!((delivery.lost(), delivery.servers().servers().count()), (0, 1), "the flow: {}", delivery.servers());
    format!("{}; {} datagrams, none lost", measured.join("; "), delivery.sent())
}

/// A server dies: new connections are refused until it is deleted, none after that, and the flow moves to another.
pub(crate) fn failure() -> String {
    let mut site = Site::new(Method::Direct, 1, 3);
    site.give_virtual_address(&site.directors[0]);
    install(&site.directors[0], "rr", Method::Direct, &site.servers);
    // A packet whose server is gone is scheduled anew.
    site.directors[0].set("net/ipv4/vs/expire_nodest_conn", "1");
    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(5));
    let delivery = flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    let dead = site.position(delivery.latest().unwrap_or_default());
    let name = site.servers[dead].host.name().to_owned();

    site.servers[dead].fail();
    let address = site.servers[dead].addresses[0];
    site.directors[0].call(&format!("ipvsadm --delete-server --fwmark-service {MARK} --real-server {address}"));
    let after = Arrivals::start(&site.client, SocketAddr::new(VIRTUAL[0], RTSP));
    flow.until("another server answers", |delivery| delivery.latest().is_some_and(|server| server != name));
    let (delivery, after) = (flow.finish(), after.finish());
    assert_eq!((after.failures.as_slice(), after.greeted.of(&name)), (&[][..], 0), "{after:?}");
    assert_eq!(delivery.servers().servers().count(), 2, "one server took the flow over: {}", delivery.servers());
    let (lost, gap) = (delivery.lost(), delivery.longest_gap());
    format!("the flow was silent for {gap:.1?}, with {lost} datagrams lost; {} arrived, none in vain", after.greeted)
}

fn weigh(director: &Host, server: &Server, weight: u32) {
    let address = server.addresses[0];
    director.call(&format!(
        "ipvsadm --edit-server --fwmark-service {MARK} --real-server {address} --gatewaying --weight {weight}"
    ));
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
