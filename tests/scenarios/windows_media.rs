//! A cluster of Windows Media servers, by the very file of the example.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use weir_tests::kernel::application::Application;
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::ipvs::Table;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::{Visit, question};
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

const CONFIGURATION: &str = include_str!("../../examples/windows-media-cluster/weir.toml");

/// MMS, and ports of media; port 554 is served on every site.
const PORTS: [u16; 4] = [1755, 1024, 2000, 5000];

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 2);
    let director = &site.directors[0];
    let second = site.another_client(102);
    let _media: Vec<Application> = site
        .servers
        .iter()
        .map(|server| {
            let sockets: Vec<_> = PORTS.iter().map(|port| SocketAddr::new(server.addresses[0], *port)).collect();
            Application::start(&server.host, &sockets)
        })
        .collect();
    site.give_virtual_address(director);
    let configuration = director.write("weir.toml", CONFIGURATION);
    let mut balancer = Balancer::start(director, &configuration);
    await_servers(&site);
    compare_with_dry_run(director, &configuration);

    let [first, second] = [&site.client, &second].map(everything);
    assert_ne!(first, second, "the second client has the other server");
    let unserved = question(&site.client, SocketAddr::new(VIRTUAL[0], 5001));
    assert!(unserved.is_err(), "port 5001 is none of the service's: {unserved:?}");

    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], 2000), Duration::from_millis(5));
    flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    let mut held = Visit::start(&site.client, SocketAddr::new(VIRTUAL[0], RTSP)).expect("a connection");
    let stopped = balancer.process.terminate();
    assert!(stopped.status.success(), "{stopped:?}");
    let balancer = Balancer::start(director, &configuration);
    balancer.await_kernel();
    assert_eq!(balancer.metrics().sum("weir_kernel_changes_total", &[]), 0.0, "it has taken over what there was");
    repair(&site, &balancer);
    held.ask().expect("the connection lives on");
    let delivery = flow.finish();
    assert_eq!((delivery.lost(), delivery.servers().servers().count()), (0, 1), "the flow: {}", delivery.servers());
    format!(
        "one client had {first} on all of its ports, the other {second}; over a restart and repairs {} datagrams, none lost",
        delivery.sent()
    )
}

/// Asks on every port, and returns who answered on all of them.
fn everything(client: &Host) -> String {
    let tcp = |port| Visit::start(client, SocketAddr::new(VIRTUAL[0], port)).expect("a connection").server().to_owned();
    let udp = |port| question(client, SocketAddr::new(VIRTUAL[0], port)).expect("an answer");
    let mut servers: Vec<String> = [554, 1755].into_iter().map(tcp).collect();
    servers.extend([554].into_iter().chain(PORTS).map(udp));
    let server = servers[0].clone();
    assert!(servers.iter().all(|other| *other == server), "one client, one server: {servers:?}");
    server
}

fn await_servers(site: &Site) {
    wait::until("both servers are in the kernel", PATIENCE, || {
        site.servers.iter().all(|server| site.directors[0].ipvs().weights(server.addresses[0]) == [100])
    });
}

/// Others meddle with the service and the marks, and Weir puts both right.
fn repair(site: &Site, balancer: &Balancer<'_>) {
    let director = &site.directors[0];
    let idle: IpAddr = "198.51.100.77".parse().expect("an address");
    director.call(&format!("ipvsadm --add-server --fwmark-service 1 --real-server {idle} --masquerading"));
    let address = site.servers[0].addresses[0];
    director
        .call(&format!("ipvsadm --edit-server --fwmark-service 1 --real-server {address} --masquerading --weight 7"));
    director.call("ipvsadm --add-service --fwmark-service 9 --scheduler rr");
    wait::until("the kernel is as it was", PATIENCE, || director.ipvs().servers(idle).next().is_none());
    await_servers(site);
    let repaired = balancer.metrics().sum("weir_kernel_changes_total", &[("cause", "drift")]);
    assert!(repaired >= 2.0, "{repaired} repairs");
    let foreign = director.ipvs().services.len();
    assert_eq!(foreign, 2, "the service of another program is left alone");
}

/// What the dry run prints is taken by `nft` and `ipvsadm`, and makes on another host what Weir has made here.
fn compare_with_dry_run(director: &Host, configuration: &std::path::Path) {
    let paper = Host::new("paper");
    for (part, program, arguments) in [("nft", "nft", "--file"), ("ipvsadm", "ipvsadm", "--restore")] {
        let mut command = Command::new("weir-balancer");
        command.arg("--config").arg(configuration).arg(format!("--dry-run={part}"));
        let output = command.output().expect("the program runs");
        let script = paper.write(part, &String::from_utf8(output.stdout).expect("text"));
        let status = paper.run(|| {
            let mut taken = Command::new(program);
            taken.arg(arguments).stdin(File::open(&script).expect("a file"));
            if part == "nft" {
                taken.arg(&script);
            }
            taken.status().expect("the program runs")
        });
        assert!(status.success(), "{program} does not take {}", script.display());
    }
    assert_eq!(paper.call("nft list table inet weir"), director.call("nft list table inet weir"));
    assert_eq!(sorted(paper.ipvs()), sorted(director.ipvs()));
}

/// The kernel's order is that of a hash.
fn sorted(mut table: Table) -> Table {
    table.services.iter_mut().for_each(|service| service.servers.sort_by_key(|server| server.address));
    table
}
