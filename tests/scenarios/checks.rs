//! Servers without agents: checks detect failures and recoveries. Below the quorum a sorry server takes over, and does
//! not flap with a single server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::kernel::connection::{Connection, open_connections};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::{History, Moment};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
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

/// Half a second until the next check and a tenth until the one after that, with a margin for an emulated machine.
const MAX_GAP: Duration = Duration::from_secs(3);

/// How often a server fails and recovers around the quorum.
const FLAPS: usize = 2;

/// Name of the sorry server.
const SORRY: &str = "server4";

pub(crate) fn run() -> String {
    let mut site = Site::new(Method::Nat, 1, 4);
    site.add_virtual_address(&site.directors[0]);
    let configuration = site.directors[0].write("weir.toml", CONFIGURATION);
    let start = Instant::now();
    let mut balancer = Balancer::start(&site.directors[0], &configuration);
    site.await_weights("all servers are up", |weights| weights == [Some(100), Some(100), Some(100), None]);
    let up = start.elapsed();
    let history = History::start(&site.directors[0]);

    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(10));
    let delivery = flow.until("the flow gets replies", |delivery| delivery.latest().is_some());
    let first = site.index_of(delivery.latest().unwrap_or_default());
    let name = site.servers[first].host.name().to_owned();
    site.servers[first].fail();
    flow.until("another server replies", |delivery| delivery.latest().is_some_and(|server| server != name));
    let delivery = flow.finish();
    let (gap, lost) = (delivery.longest_gap(), delivery.lost());
    assert!(gap < MAX_GAP, "no replies for {gap:.2?}");
    await_up(&balancer, 2);
    assert!(site.directors[0].ipvs().weights(site.servers[first].addresses[0]).is_empty(), "the server is deleted");

    // One is below the quorum. Its clients stay; all others get the sorry server.
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let mut held = Connection::open(&site.client, service).expect("a connection");
    let last = site.index_of(held.server());
    let second = 3 - first - last;
    site.servers[second].fail();
    await_sorry(&site, &balancer, 1);
    let mut expected = [None, None, None, Some(1)];
    expected[last] = Some(0);
    site.await_weights("the last server is drained", |weights| weights == expected);
    for _ in 0..FLAPS {
        site.servers[second].recover();
        await_up(&balancer, 2);
        assert_eq!(
            open_connections(&site.client, service, 4).of(SORRY),
            4,
            "two servers are not enough to leave the sorry server"
        );
        site.servers[second].fail();
        await_up(&balancer, 1);
    }
    held.exchange().expect("the connection survives");

    // Three are enough, and from then on two.
    [first, second].into_iter().for_each(|index| site.servers[index].recover());
    await_sorry(&site, &balancer, 0);
    for _ in 0..FLAPS {
        site.servers[second].fail();
        await_up(&balancer, 2);
        assert_eq!(open_connections(&site.client, service, 4).of(SORRY), 0, "two servers are enough to stay");
        site.servers[second].recover();
        await_up(&balancer, 3);
    }
    let back = open_connections(&site.client, service, 9);
    assert_eq!(back.of(SORRY), 0, "the sorry server gets no clients: {back}");
    held.exchange().expect("the connection survives");

    let moments = history.finish();
    assert!(moments.iter().all(|moment| moment.weights.is_live(1)), "there is always a live server: {moments:?}");
    let mut is_sorry: Vec<bool> = moments.iter().map(|moment| serves(moment, &site.servers[3])).collect();
    is_sorry.dedup();
    assert_eq!(is_sorry, [false, true, false], "the sorry server is active once");

    let stopped = balancer.process.terminate();
    assert!(stopped.status.success(), "{stopped:?}");
    let left = site.directors[0].ipvs();
    assert!(left.services.is_empty(), "on_exit = \"remove\": {left:?}");
    assert_eq!(site.directors[0].call("nft list tables").trim(), "");
    format!(
        "servers up in {up:.1?}; one failed: no replies for {gap:.1?}, {lost} datagrams lost; a second one failed: the sorry \
         server took over, and did not flap with a server that recovered and failed {FLAPS} times, before and after; \
         recovered: {back}"
    )
}

fn serves(moment: &Moment, server: &Server) -> bool {
    moment.weights.get(1, server.addresses[0]).is_some_and(|weight| weight > 0)
}

/// Waits until Weir reports this number of servers up.
fn await_up(balancer: &Balancer<'_>, count: u8) {
    wait::until(&format!("{count} servers are up"), PATIENCE, || {
        balancer.metrics().sum("weir_kernel_servers_up", &[]) == f64::from(count)
    });
}

/// Waits until the sorry server is active, or not, in the metrics and in the kernel.
fn await_sorry(site: &Site, balancer: &Balancer<'_>, expected: u8) {
    wait::until("the sorry server is as expected", PATIENCE, || {
        let weights = site.directors[0].ipvs().weights(site.servers[3].addresses[0]);
        let serves = weights.iter().any(|weight| *weight > 0);
        balancer.metrics().sum("weir_kernel_sorry_server_active", &[]) == f64::from(expected)
            && serves == (expected == 1)
    });
}
