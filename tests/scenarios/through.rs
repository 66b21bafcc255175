//! Checks through the virtual address detect a server that loses it, although it responds at its own address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Instant;

use weir_tests::kernel::application::Application;
use weir_tests::kernel::connection::{open_connections, send_datagrams};
use weir_tests::kernel::host::Host;
use weir_tests::kernel::ipvs::ServiceKey;
use weir_tests::kernel::role::{Method, host_prefix};
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

/// The services have the marks 1 to 3. The first and the third are checked through the virtual address, over TCP and
/// UDP.
const CONFIGURATION: &str = r#"
[kernel]
only = true
on_exit = "remove"
interval = "500ms"
"#;

const THROUGH: u32 = 1;
const DIRECT: u32 = 2;
const DATAGRAMS: u32 = 3;

const SERVICES: [(u32, &str, &str, &str); 3] = [
    (THROUGH, "through", "tcp = [\"554\"]", "kind = \"tcp\", receive = \"server\", through_address = true"),
    (DIRECT, "direct", "tcp = [\"555\"]", "kind = \"tcp\", port = 554"),
    (
        DATAGRAMS,
        "datagrams",
        "udp = [\"6970\"]",
        "kind = \"udp\", send = \"?\", receive = \"server\", through_address = true",
    ),
];

/// Number of clients of each family.
const CLIENTS: usize = 10;

/// Prints whether packets from one of the director's own addresses are accepted.
const ACCEPT_LOCAL: &str = "sysctl -n net.ipv4.conf.eth0.accept_local";

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 2, 2);
    let [active, backup] = &site.directors[..] else { panic!("two directors") };
    site.add_virtual_address(active);
    // The default of many distributions.
    site.directors.iter().for_each(|director| director.set_sysctl("net/ipv4/conf/all/rp_filter", "1"));
    let own = |server: &Server| server.addresses.map(|address| SocketAddr::new(address, RTSP));
    let _applications: Vec<_> =
        site.servers.iter().map(|server| Application::start(&server.host, &own(server))).collect();
    assert_eq!(active.call(ACCEPT_LOCAL).trim(), "0");
    let start = Instant::now();
    let mut balancers: Vec<_> = site
        .directors
        .iter()
        .map(|director| Balancer::start(director, &director.write("weir.toml", &configuration(&site))))
        .collect();
    for mark in [THROUGH, DIRECT, DATAGRAMS] {
        for server in &site.servers {
            server.addresses.iter().for_each(|address| await_presence(&site.directors, mark, *address, true));
        }
    }
    let up = start.elapsed();
    assert_eq!([active, backup].map(|director| director.call(ACCEPT_LOCAL).trim().to_owned()), ["1", "1"]);
    for address in VIRTUAL {
        assert_servers(&site, address, &["server1", "server2"]);
    }

    let mut measured = vec![format!("all up in {up:.1?}")];
    // A server of each family, and one that forwards packets to addresses that it does not have.
    for (index, family, is_router) in [(0, 0, false), (1, 1, false), (1, 0, true)] {
        let (server, address) = (&site.servers[index], VIRTUAL[family]);
        if is_router {
            server.host.enable_forwarding();
        }
        let others = ["server2", "server1"];
        let start = Instant::now();
        server.host.call(&format!("ip address delete {} dev lo", host_prefix(address)));
        for mark in [THROUGH, DATAGRAMS] {
            await_presence(&site.directors, mark, server.addresses[family], false);
        }
        let detected = start.elapsed();
        assert_servers(&site, address, &others[index..=index]);
        assert_servers(&site, VIRTUAL[1 - family], &["server1", "server2"]);
        for director in &site.directors {
            let weight = director.ipvs().weight(DIRECT, server.addresses[family]);
            assert!(
                weight.is_some_and(|weight| weight > 0),
                "checked at its own address, it appears to be up: {weight:?}"
            );
        }
        let manual = check_server(active, server.addresses[family], address);
        assert_eq!(manual.0, Some(1), "{manual:?}");
        let reason = format!("through {address}: timed out while connecting");
        let process = &balancers[0].process;
        process.await_output(&process.stderr, "the reason", |text| text.contains(&reason).then_some(()));

        let start = Instant::now();
        server.host.call(&format!("ip address add {} dev lo", host_prefix(address)));
        for mark in [THROUGH, DATAGRAMS] {
            await_presence(&site.directors, mark, server.addresses[family], true);
        }
        let back = start.elapsed();
        assert_servers(&site, address, &["server1", "server2"]);
        let manual = check_server(backup, server.addresses[family], address);
        assert_eq!(manual.0, Some(0), "{manual:?}");
        let name = server.host.name();
        let kind = if is_router { " (a router)" } else { "" };
        measured.push(format!("{name}{kind} lost {address}: detected in {detected:.1?}, back in {back:.1?}"));
    }
    take_over(&site, &mut balancers[0]);
    for (director, balancer) in site.directors.iter().zip(&mut balancers) {
        let stopped = balancer.process.terminate();
        assert!(stopped.status.success(), "{stopped:?}");
        let left = director.ipvs();
        assert!(left.services.is_empty(), "on_exit = \"remove\": {left:?}");
    }
    measured.join("; ")
}

/// A killed balancer leaves its probe services, and the next one continues with them.
fn take_over<'a>(site: &Site, balancer: &mut Balancer<'a>) {
    let probe_services = |host: &Host| -> BTreeMap<u32, Vec<IpAddr>> {
        let services = host.ipvs().services.into_iter().filter_map(|service| match service.key {
            ServiceKey::Mark(mark) if mark > DATAGRAMS => Some((mark, service.servers)),
            _ => None,
        });
        services.map(|(mark, servers)| (mark, servers.iter().map(|server| server.address.ip()).collect())).collect()
    };
    let before = probe_services(balancer.host);
    assert_eq!(before.len(), 2 * 2 * site.servers.len(), "for TCP and UDP, IPv4 and IPv6: {before:?}");
    balancer.process.kill();
    *balancer = Balancer::start(balancer.host, &balancer.host.write("weir.toml", &configuration(site)));
    let all = SERVICES.len() * 2 * site.servers.len();
    let process = &balancer.process;
    let log = process.await_output(&process.stderr, "all servers up", |text| {
        (text.matches("server up").count() == all).then(|| text.to_owned())
    });
    assert!(!log.contains(" service "), "no service is added or deleted: {log}");
    assert_eq!(probe_services(balancer.host), before);
}

fn configuration(site: &Site) -> String {
    let addresses = VIRTUAL.map(|address| format!("\"{address}\"")).join(", ");
    let servers: Vec<_> = site.servers.iter().flat_map(|server| server.addresses).collect();
    let mut text = CONFIGURATION.to_owned();
    for (mark, name, ports, check) in SERVICES {
        text.push_str(&format!(
            "[[kernel.service]]\nname = \"{name}\"\nmark = {mark}\naddresses = [{addresses}]\n{ports}\nscheduler = \"rr\"\n\
             check = {{ {check}, interval = \"1s\", fast_interval = \"250ms\", timeout = \"1s\", fall = 2 }}\n"
        ));
        for server in &servers {
            text.push_str(&format!("[[kernel.service.server]]\naddress = \"{server}\"\n"));
        }
    }
    text
}

/// Waits until both directors send clients to the server, or neither does.
fn await_presence(directors: &[Host], mark: u32, server: IpAddr, is_present: bool) {
    for director in directors {
        wait::eventually(&format!("{server} on {}, mark {mark}: {is_present}", director.name()), 2 * PATIENCE, || {
            let table = director.ipvs();
            let is_live = table.weight(mark, server).is_some_and(|weight| weight > 0);
            if is_live == is_present { Ok(()) } else { Err(format!("{table:?}")) }
        });
    }
}

/// Runs `check-server` on a director.
fn check_server(director: &Host, server: IpAddr, through: IpAddr) -> (Option<i32>, String) {
    let server = SocketAddr::new(server, RTSP).to_string();
    let output = director.run(|| {
        let mut command = Command::new("weir-balancer");
        command.args(["check-server", "--timeout", "1s", "--through", &through.to_string(), &server]).output()
    });
    let output = output.expect("the check runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Asserts that clients use exactly these servers, over TCP and UDP.
fn assert_servers(site: &Site, address: IpAddr, servers: &[&str]) {
    let tally = open_connections(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
    assert!(tally.servers().eq(servers.iter().copied()), "{address}: {tally}");
    let tally = send_datagrams(&site.client, SocketAddr::new(address, RTP), CLIENTS);
    assert!(tally.servers().eq(servers.iter().copied()), "{address}: {tally}");
}
