//! Checks through the virtual address: a server that loses it is found, though it answers at its own address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Instant;

use weir_tests::kernel::application::Application;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::ipvs::Packets;
use weir_tests::kernel::role::{Method, alone};
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::visitor::{questions, visits};
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

/// The services have the marks 1 to 3. All but the second are checked through the virtual address: over TCP, and with UDP.
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

/// Clients of each family.
const CLIENTS: usize = 10;

/// How the kernel is asked whether answers from an address of the director's own are let in.
const ACCEPT: &str = "sysctl -n net.ipv4.conf.eth0.accept_local";

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 2, 2);
    let [active, backup] = &site.directors[..] else { panic!("two directors") };
    site.give_virtual_address(active);
    // As strict as many distributions are.
    site.directors.iter().for_each(|director| director.set("net/ipv4/conf/all/rp_filter", "1"));
    let own = |server: &Server| server.addresses.map(|address| SocketAddr::new(address, RTSP));
    let _applications: Vec<_> =
        site.servers.iter().map(|server| Application::start(&server.host, &own(server))).collect();
    assert_eq!(active.call(ACCEPT).trim(), "0");
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
    assert_eq!([active, backup].map(|director| director.call(ACCEPT).trim().to_owned()), ["1", "1"]);
    for address in VIRTUAL {
        serve(&site, address, &["server1", "server2"]);
    }

    let mut measured = vec![format!("all up in {up:.1?}")];
    // One of each family; and one that routes, so that it sends back what it has no use for.
    for (place, family, routes) in [(0, 0, false), (1, 1, false), (1, 0, true)] {
        let (server, address) = (&site.servers[place], VIRTUAL[family]);
        if routes {
            server.host.forward();
        }
        let others = ["server2", "server1"];
        let start = Instant::now();
        server.host.call(&format!("ip address delete {} dev lo", alone(address)));
        for mark in [THROUGH, DATAGRAMS] {
            await_presence(&site.directors, mark, server.addresses[family], false);
        }
        let found = start.elapsed();
        serve(&site, address, &others[place..=place]);
        serve(&site, VIRTUAL[1 - family], &["server1", "server2"]);
        for director in &site.directors {
            let weight = director.ipvs().weight(DIRECT, server.addresses[family]);
            assert!(weight.is_some_and(|weight| weight > 0), "asked directly it seems to serve: {weight:?}");
        }
        let by_hand = check_server(active, server.addresses[family], address);
        assert_eq!(by_hand.0, Some(1), "{by_hand:?}");
        let reason = format!("through {address}: it takes no connection in time");
        let process = &balancers[0].process;
        process.await_output(&process.stderr, "why", |text| text.contains(&reason).then_some(()));

        let start = Instant::now();
        server.host.call(&format!("ip address add {} dev lo", alone(address)));
        for mark in [THROUGH, DATAGRAMS] {
            await_presence(&site.directors, mark, server.addresses[family], true);
        }
        let back = start.elapsed();
        serve(&site, address, &["server1", "server2"]);
        let by_hand = check_server(backup, server.addresses[family], address);
        assert_eq!(by_hand.0, Some(0), "{by_hand:?}");
        let which = if routes { ", which routes," } else { "" };
        measured.push(format!("{} lost {address}{which} found in {found:.1?}, back in {back:.1?}", server.host.name()));
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

/// A balancer that is killed leaves what leads to the servers, and the next one goes on with it.
fn take_over<'a>(site: &Site, balancer: &mut Balancer<'a>) {
    let leads = |host: &Host| -> BTreeMap<u32, Vec<IpAddr>> {
        let services = host.ipvs().services.into_iter().filter_map(|service| match service.packets {
            Packets::Marked(mark) if mark > DATAGRAMS => Some((mark, service.servers)),
            _ => None,
        });
        services.map(|(mark, servers)| (mark, servers.iter().map(|server| server.address.ip()).collect())).collect()
    };
    let before = leads(balancer.host);
    assert_eq!(before.len(), 2 * 2 * site.servers.len(), "for TCP and UDP, IPv4 and IPv6: {before:?}");
    balancer.process.kill();
    *balancer = Balancer::start(balancer.host, &balancer.host.write("weir.toml", &configuration(site)));
    let all = SERVICES.len() * 2 * site.servers.len();
    let process = &balancer.process;
    let said = process.await_output(&process.stderr, "that all servers work", |text| {
        (text.matches("a server works").count() == all).then(|| text.to_owned())
    });
    assert!(!said.contains(" service "), "nothing is made, and nothing deleted: {said}");
    assert_eq!(leads(balancer.host), before);
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

/// Waits until both directors send clients there, or do not any more.
fn await_presence(directors: &[Host], mark: u32, server: IpAddr, is_there: bool) {
    for director in directors {
        wait::eventually(&format!("{server} on {}, mark {mark}: {is_there}", director.name()), 2 * PATIENCE, || {
            let table = director.ipvs();
            let serves = table.weight(mark, server).is_some_and(|weight| weight > 0);
            if serves == is_there { Ok(()) } else { Err(format!("{table:?}")) }
        });
    }
}

/// What comes of a check by hand, on either director.
fn check_server(director: &Host, server: IpAddr, through: IpAddr) -> (Option<i32>, String) {
    let server = SocketAddr::new(server, RTSP).to_string();
    let output = director.run(|| {
        let mut command = Command::new("weir-balancer");
        command.args(["check-server", "--timeout", "1s", "--through", &through.to_string(), &server]).output()
    });
    let output = output.expect("the check runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Clients get to each of these servers and to no other, over TCP and with UDP.
fn serve(site: &Site, address: IpAddr, servers: &[&str]) {
    let tally = visits(&site.client, SocketAddr::new(address, RTSP), CLIENTS);
    assert!(tally.servers().eq(servers.iter().copied()), "{address}: {tally}");
    let tally = questions(&site.client, SocketAddr::new(address, RTP), CLIENTS);
    assert!(tally.servers().eq(servers.iter().copied()), "{address}: {tally}");
}
