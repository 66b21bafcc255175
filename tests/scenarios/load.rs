//! The kernel's weights follow the load that agents report.

use std::net::SocketAddr;
use std::time::Instant;

use weir_tests::kernel::connection::{Connection, open_connections};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;
use weir_tests::wait::{self, PATIENCE};

/// Only edges, without persistence, so that any client may use any server.
const CONFIGURATION: &str = r#"
[kernel]
only = true
interval = "500ms"
[selection]
ramp = "1s"
[[kernel.service]]
name = "rtsp"
addresses = ["192.0.2.10"]
tcp = ["554"]
scheduler = "wrr"
method = "nat"
edges = { protocol = "rtsp" }
"#;

/// Configured capacity of each edge, in connections.
const CAPACITY: usize = 20;

/// Number of additional connections of the first edge.
const HELD: usize = 15;

/// Number of clients in each measurement.
const CLIENTS: usize = 60;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 2);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start(director, &configuration);
    let to = ["198.51.100.1".parse().expect("the director's inside address")];
    let capacity = ["--max-connections".to_owned(), CAPACITY.to_string()];
    let _agents: Vec<Process> = site
        .servers
        .iter()
        .map(|server| weir::agent_with_options(&server.host, &to, server.addresses[0], RTSP, &capacity))
        .collect();
    let [busy, idle] = &site.servers[..] else { panic!("two servers") };
    let weights =
        || [busy, idle].map(|server| director.ipvs().weights(server.addresses[0]).first().copied().unwrap_or(0));
    wait::eventually("both edges have their full weight", PATIENCE, || {
        let weights = weights();
        if weights.iter().all(|weight| *weight >= 90) { Ok(()) } else { Err(format!("{weights:?}")) }
    });
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let level = open_connections(&site.client, service, CLIENTS);
    let share = level.of(busy.host.name()) as f64 / CLIENTS as f64;
    assert!((0.4..=0.6).contains(&share), "without load, both edges have clients: {level}");

    let start = Instant::now();
    let direct = SocketAddr::new(busy.addresses[0], RTSP);
    let held: Vec<Connection> = (0..HELD).map(|_| Connection::open(director, direct).expect("a connection")).collect();
    wait::eventually("the weight of the busy edge falls", 2 * PATIENCE, || {
        let weights = weights();
        if weights[0] <= 35 && weights[1] >= 80 { Ok(()) } else { Err(format!("{weights:?}")) }
    });
    let took = start.elapsed();
    let shifted = open_connections(&site.client, service, CLIENTS);
    let share = shifted.of(busy.host.name()) as f64 / CLIENTS as f64;
    let weights = weights();
    assert!(
        (0.1..0.35).contains(&share),
        "the busy edge gets fewer clients, but some: {shifted}, with weights {weights:?}"
    );
    let headroom =
        balancer.metrics().sum("weir_kernel_server_headroom_ratio", &[("server", &busy.addresses[0].to_string())]);
    assert!(headroom < 0.4, "its headroom is {headroom}");
    drop(held);
    format!(
        "without load: {level}; with {HELD} of {CAPACITY} connections on {}, after {took:.1?}: weights {weights:?}, {shifted}",
        busy.host.name()
    )
}
