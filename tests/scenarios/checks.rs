//! Servers without an agent: checks find those that fail, and those that are back. Below the quorum a sorry server stands
//! in, and does not come and go with one server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::{History, Moment};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::visitor::{Visit, visits};
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
mark = 1
scheduler = "rr"
method = "nat"
sorry_server = "198.51.100.24"
quorum = 2
hysteresis = 1
[[kernel.service.server]]
address = "198.51.100.21"
[[kernel.service.server]]
address = "198.51.100.22"
[[kernel.service.server]]
address = "198.51.100.23"
[kernel.service.check]
kind = "tcp"
interval = "500ms"
fast_interval = "100ms"
timeout = "1s"
fall = 2
"#;

/// Half a second until the next question and a tenth until the one after that; and this machine is emulated.
const LONGEST_GAP: Duration = Duration::from_secs(3);

/// How often a server comes and goes around the quorum.
const FLAPS: usize = 2;

/// The sorry server's name.
const SORRY: &str = "server4";

pub(crate) fn run() -> String {
    let mut site = Site::new(Method::Nat, 1, 4);
    site.give_virtual_address(&site.directors[0]);
    let configuration = site.directors[0].write("weir.toml", CONFIGURATION);
    let start = Instant::now();
    let mut balancer = Balancer::start(&site.directors[0], &configuration);
    site.await_weights("all are up", |weights| weights == [Some(100), Some(100), Some(100), None]);
    let up = start.elapsed();
    let history = History::start(&site.directors[0]);

    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(10));
    let delivery = flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    let first = site.position(delivery.latest().unwrap_or_default());
    let name = site.servers[first].host.name().to_owned();
    site.servers[first].fail();
    flow.until("another server answers", |delivery| delivery.latest().is_some_and(|server| server != name));
    let delivery = flow.finish();
    let (gap, lost) = (delivery.longest_gap(), delivery.lost());
    assert!(gap < LONGEST_GAP, "nobody answered for {gap:.2?}");
    await_up(&balancer, 2);
    assert!(site.directors[0].ipvs().weights(site.servers[first].addresses[0]).is_empty(), "it is deleted");

    // One is too few. Who is with it stays, all others are told that there is nothing.
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let mut held = Visit::start(&site.client, service).expect("a connection");
    let last = site.position(held.server());
    let second = 3 - first - last;
    site.servers[second].fail();
    await_sorry(&site, &balancer, 1);
    let mut expected = [None, None, None, Some(1)];
    expected[last] = Some(0);
    site.await_weights("one is left, for those who have it", |weights| weights == expected);
    for _ in 0..FLAPS {
        site.servers[second].recover();
        await_up(&balancer, 2);
        assert_eq!(visits(&site.client, service, 4).of(SORRY), 4, "two are not enough to be back");
        site.servers[second].fail();
        await_up(&balancer, 1);
    }
    held.ask().expect("the connection lives on");

    // Three are enough, and then two are.
    [first, second].into_iter().for_each(|place| site.servers[place].recover());
    await_sorry(&site, &balancer, 0);
    for _ in 0..FLAPS {
        site.servers[second].fail();
        await_up(&balancer, 2);
        assert_eq!(visits(&site.client, service, 4).of(SORRY), 0, "two are enough to go on");
        site.servers[second].recover();
        await_up(&balancer, 3);
    }
    let back = visits(&site.client, service, 9);
    assert_eq!(back.of(SORRY), 0, "nobody is told so any more: {back}");
    held.ask().expect("the connection lives on");

    let moments = history.finish();
    assert!(moments.iter().all(|moment| moment.weights.is_live(1)), "there is always somebody: {moments:?}");
    let mut is_sorry: Vec<bool> = moments.iter().map(|moment| serves(moment, &site.servers[3])).collect();
    is_sorry.dedup();
    assert_eq!(is_sorry, [false, true, false], "the sorry server comes once and goes once");

    let stopped = balancer.process.terminate();
    assert!(stopped.status.success(), "{stopped:?}");
    let left = site.directors[0].ipvs();
    assert!(left.services.is_empty(), "on_exit = \"remove\": {left:?}");
    assert_eq!(site.directors[0].call("nft list tables").trim(), "");
    format!(
        "servers up in {up:.1?}; one died: silent for {gap:.1?}, {lost} datagrams lost; a second one: a sorry server, which \
         stayed while one came and went {FLAPS} times, and stayed away as often; back: {back}"
    )
}

fn serves(moment: &Moment, server: &Server) -> bool {
    moment.weights.get(1, server.addresses[0]).is_some_and(|weight| weight > 0)
}

/// Waits until so many servers are up, as Weir sees it.
fn await_up(balancer: &Balancer<'_>, count: u8) {
    wait::until(&format!("{count} servers are up"), PATIENCE, || {
        balancer.metrics().sum("weir_kernel_servers_up", &[]) == f64::from(count)
    });
}

/// Waits until the sorry server has taken over, by the metrics and in the kernel, or has not.
fn await_sorry(site: &Site, balancer: &Balancer<'_>, expected: u8) {
    wait::until("who serves changes", PATIENCE, || {
        let weights = site.directors[0].ipvs().weights(site.servers[3].addresses[0]);
        let serves = weights.iter().any(|weight| *weight > 0);
        balancer.metrics().sum("weir_kernel_sorry_server_active", &[]) == f64::from(expected)
            && serves == (expected == 1)
    });
}
