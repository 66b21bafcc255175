//! Agents report load, and the kernel's weights follow it.

use std::net::SocketAddr;
use std::time::Instant;

use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::{Visit, visits};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;
use weir_tests::wait::{self, PATIENCE};

/// Edges alone, and no persistence: each client is free to go anywhere.
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

/// What each edge says that it can carry.
const CAPACITY: usize = 20;

/// Connections that the first edge has besides those of the service.
const HELD: usize = 15;

/// Clients that are counted.
const CLIENTS: usize = 60;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 2);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start(director, &configuration);
    let to = ["198.51.100.1".parse().expect("the director's address inside")];
    let capacity = ["--max-connections".to_owned(), CAPACITY.to_string()];
    let _agents: Vec<Process> = site
        .servers
        .iter()
        .map(|server| weir::agent_that_says(&server.host, &to, server.addresses[0], RTSP, &capacity))
        .collect();
    let [busy, idle] = &site.servers[..] else { panic!("two servers") };
    let weights =
        || [busy, idle].map(|server| director.ipvs().weights(server.addresses[0]).first().copied().unwrap_or(0));
    wait::eventually("both edges have their weight", PATIENCE, || {
        let weights = weights();
        if weights.iter().all(|weight| *weight >= 90) { Ok(()) } else { Err(format!("{weights:?}")) }
    });
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let level = visits(&site.client, service, CLIENTS);
    let share = level.of(busy.host.name()) as f64 / CLIENTS as f64;
    assert!((0.4..=0.6).contains(&share), "without load the clients are shared: {level}");

    let start = Instant::now();
    let direct = SocketAddr::new(busy.addresses[0], RTSP);
    let held: Vec<Visit> = (0..HELD).map(|_| Visit::start(director, direct).expect("a connection")).collect();
    wait::eventually("the weight of the busy edge falls", 2 * PATIENCE, || {
        let weights = weights();
        if weights[0] <= 35 && weights[1] >= 80 { Ok(()) } else { Err(format!("{weights:?}")) }
    });
    let took = start.elapsed();
    let shifted = visits(&site.client, service, CLIENTS);
    let share = shifted.of(busy.host.name()) as f64 / CLIENTS as f64;
    let weights = weights();
    assert!(
        (0.1..0.35).contains(&share),
        "the busy edge gets less, and not nothing: {shifted}, by weights {weights:?}"
    );
    let why =
        balancer.metrics().sum("weir_kernel_server_headroom_ratio", &[("server", &busy.addresses[0].to_string())]);
    assert!(why < 0.4, "its headroom is {why}");
    drop(held);
    format!(
        "without load {level}; with {HELD} of {CAPACITY} on {}, after {took:.1?}, weights {weights:?} and {shifted}",
        busy.host.name()
    )
}
