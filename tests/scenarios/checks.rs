//! Servers without an agent: checks find those that fail, and those that are back, and a sorry server stands in for all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::visitor::visits;
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

const CONFIGURATION: &str = r#"
[kernel]
only = true
on_exit = "remove"
[[kernel.service]]
name = "media"
addresses = ["192.0.2.10"]
tcp = ["554"]
udp = ["6970-7069"]
scheduler = "rr"
method = "nat"
sorry_server = "198.51.100.23"
[[kernel.service.server]]
address = "198.51.100.21"
[[kernel.service.server]]
address = "198.51.100.22"
[kernel.service.check]
kind = "tcp"
interval = "500ms"
fast_interval = "100ms"
timeout = "1s"
fall = 2
"#;

/// Half a second until the next question, a tenth until the one after that, and as long again for a machine that is emulated.
const LONGEST_GAP: Duration = Duration::from_millis(1500);

pub(crate) fn run() -> String {
    let mut site = Site::new(Method::Nat, 1, 3);
    site.give_virtual_address(&site.directors[0]);
    let configuration = site.directors[0].write("weir.toml", CONFIGURATION);
    let start = Instant::now();
    let mut balancer = Balancer::start(&site.directors[0], &configuration);
    await_weights(&site, [Some(100), Some(100), None]);
    let up = start.elapsed();

    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(5));
    let delivery = flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    let dead = site.position(delivery.latest().unwrap_or_default());
    let name = site.servers[dead].host.name().to_owned();
    site.servers[dead].fail();
    flow.until("another server answers", |delivery| delivery.latest().is_some_and(|server| server != name));
    let delivery = flow.finish();
    let (gap, lost) = (delivery.longest_gap(), delivery.lost());
    assert!(gap < LONGEST_GAP, "nobody answered for {gap:.2?}");
    assert!(site.directors[0].ipvs().weights(site.servers[dead].addresses[0]).is_empty(), "it is deleted");

    let last = 1 - dead;
    site.servers[last].fail();
    await_weights(&site, [None, None, Some(1)]);
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    assert_eq!(visits(&site.client, service, 10).of("server3"), 10, "everybody is told that there is nothing");
    assert_eq!(balancer.metrics().sum("weir_kernel_sorry", &[]), 1.0);

    site.servers.iter_mut().take(2).for_each(Server::recover);
    wait::until("both servers are back", PATIENCE, || {
        let table = site.directors[0].ipvs();
        let is_live = |place: usize| table.weights(site.servers[place].addresses[0]).iter().any(|weight| *weight > 0);
        is_live(0) && is_live(1) && !is_live(2)
    });
    let back = visits(&site.client, service, 10);
    assert_eq!(back.of("server3"), 0, "nobody is told so any more: {back}");

    let stopped = balancer.process.terminate();
    assert!(stopped.status.success(), "{stopped:?}");
    let left = site.directors[0].ipvs();
    assert!(left.services.is_empty(), "on_exit = \"remove\": {left:?}");
    assert_eq!(site.directors[0].call("nft list tables").trim(), "");
    format!(
        "both servers up in {up:.1?}; a server died: silent for {gap:.1?}, {lost} datagrams lost; then a sorry server; back: {back}"
    )
}

/// Waits until each server has this weight, or is not there.
fn await_weights(site: &Site, expected: [Option<u32>; 3]) {
    wait::eventually(&format!("weights {expected:?}"), PATIENCE, || {
        let table = site.directors[0].ipvs();
        let weights: Vec<_> =
            site.servers.iter().map(|server| table.weights(server.addresses[0]).first().copied()).collect();
        if weights == expected { Ok(()) } else { Err(format!("{weights:?}")) }
    });
}
