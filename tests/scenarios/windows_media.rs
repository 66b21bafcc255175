//! A cluster of Windows Media servers, with the file of the example.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use weir_tests::kernel::application::Application;
use weir_tests::kernel::connection::{Connection, send_datagram};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::ipvs::Table;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

const CONFIGURATION: &str = include_str!("../../examples/windows-media-cluster/weir.toml");

/// MMS and media ports. All sites serve port 554.
const PORTS: [u16; 4] = [1755, 1024, 2000, 5000];

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 2);
    let director = &site.directors[0];
    let second = site.add_client(102);
    let _media: Vec<Application> = site
        .servers
        .iter()
        .map(|server| {
            let sockets: Vec<_> = PORTS.iter().map(|port| SocketAddr::new(server.addresses[0], *port)).collect();
            Application::start(&server.host, &sockets)
        })
        .collect();
    site.add_virtual_address(director);
    let configuration = director.write("weir.toml", CONFIGURATION);
    let mut balancer = Balancer::start(director, &configuration);
    await_servers(&site);
    compare_with_dry_run(director, &configuration);

    let [first, second] = [&site.client, &second].map(query_all_ports);
    assert_ne!(first, second, "the second client has the other server");
    let unserved = send_datagram(&site.client, SocketAddr::new(VIRTUAL[0], 5001));
    assert!(unserved.is_err(), "port 5001 is not in the service: {unserved:?}");

    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], 2000), Duration::from_millis(5));
    flow.until("the flow gets replies", |delivery| delivery.latest().is_some());
    let mut held = Connection::open(&site.client, SocketAddr::new(VIRTUAL[0], RTSP)).expect("a connection");
    let stopped = balancer.process.terminate();
    assert!(stopped.status.success(), "{stopped:?}");
    let balancer = Balancer::start(director, &configuration);
    balancer.await_kernel();
    assert_eq!(balancer.metrics().sum("weir_kernel_changes_total", &[]), 0.0, "it takes over the kernel's state");
    repair(&site, &balancer);
    held.exchange().expect("the connection survives");
    let delivery = flow.finish();
    assert_eq!((delivery.lost(), delivery.servers().servers().count()), (0, 1), "the flow: {}", delivery.servers());
    format!(
        "one client had {first} on all ports, the other {second}; none of {} datagrams lost over a restart and repairs",
        delivery.sent()
    )
}

/// Queries all ports, and returns the server that replied on all of them.
fn query_all_ports(client: &Host) -> String {
    let tcp =
        |port| Connection::open(client, SocketAddr::new(VIRTUAL[0], port)).expect("a connection").server().to_owned();
    let udp = |port| send_datagram(client, SocketAddr::new(VIRTUAL[0], port)).expect("a reply");
    let mut servers: Vec<String> = [554, 1755].into_iter().map(tcp).collect();
    servers.extend([554].into_iter().chain(PORTS).map(udp));
    let server = servers[0].clone();
    assert!(servers.iter().all(|other| *other == server), "a client has one server: {servers:?}");
    server
}

fn await_servers(site: &Site) {
    wait::until("both servers are in the kernel", PATIENCE, || {
        site.servers.iter().all(|server| site.directors[0].ipvs().weights(server.addresses[0]) == [100])
    });
}

/// Another program changes the service and the marks, and Weir reverts both.
fn repair(site: &Site, balancer: &Balancer<'_>) {
    let director = &site.directors[0];
    let idle: IpAddr = "198.51.100.77".parse().expect("an address");
    director.call(&format!("ipvsadm --add-server --fwmark-service 1 --real-server {idle} --masquerading"));
    let address = site.servers[0].addresses[0];
    director
        .call(&format!("ipvsadm --edit-server --fwmark-service 1 --real-server {address} --masquerading --weight 7"));
    director.call("ipvsadm --add-service --fwmark-service 9 --scheduler rr");
    wait::until("the change is reverted", PATIENCE, || director.ipvs().servers(idle).next().is_none());
    await_servers(site);
    let repaired = balancer.metrics().sum("weir_kernel_changes_total", &[("cause", "drift")]);
    assert!(repaired >= 2.0, "{repaired} repairs");
    let foreign = director.ipvs().services.len();
    assert_eq!(foreign, 2, "the service of another program is not changed");
}

/// `nft` and `ipvsadm` accept the output of the dry run, and configure another host as Weir has configured this one.
fn compare_with_dry_run(director: &Host, configuration: &std::path::Path) {
    let other = Host::new("dry-run");
    for (part, program, arguments) in [("nft", "nft", "--file"), ("ipvsadm", "ipvsadm", "--restore")] {
        let mut command = Command::new("weir-balancer");
        command.arg("--config").arg(configuration).arg(format!("--dry-run={part}"));
        let output = command.output().expect("the program runs");
        let script = other.write(part, &String::from_utf8(output.stdout).expect("text"));
        let status = other.run(|| {
            let mut command = Command::new(program);
            command.arg(arguments).stdin(File::open(&script).expect("a file"));
            if part == "nft" {
                command.arg(&script);
            }
            command.status().expect("the program runs")
        });
        assert!(status.success(), "{program} rejects {}", script.display());
    }
    assert_eq!(other.call("nft list table inet weir"), director.call("nft list table inet weir"));
    assert_eq!(sorted(other.ipvs()), sorted(director.ipvs()));
}

/// Sorts the servers, which are in the order of the kernel's hash table.
fn sorted(mut table: Table) -> Table {
    table.services.iter_mut().for_each(|service| service.servers.sort_by_key(|server| server.address));
    table
}
