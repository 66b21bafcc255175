//! Two directors under keepalived: one dies, and clients hardly notice.

use std::net::SocketAddr;
use std::time::Duration;

use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::keepalived;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::Visit;
use weir_tests::process::Process;
use weir_tests::wait::{self, PATIENCE};

use crate::by_hand;

/// Connections that are held while the director dies.
const HELD: usize = 10;

/// Longer than the three advertisements and a bit that VRRP waits, on a machine that is emulated.
const LONGEST_GAP: Duration = Duration::from_secs(2);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 2, 2);
    let [first, second] = &site.directors[..] else { panic!("two directors") };
    for (director, side) in [(first, "master"), (second, "backup")] {
        by_hand::install(director, "rr", Method::Direct, &site.servers);
        synchronize(director, side);
    }
    let _first = start(first, 150);
    await_address(first);
    let _second = start(second, 100);
    let flow = Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(10));
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let mut held: Vec<Visit> = (0..HELD).map(|_| Visit::start(&site.client, service).expect("a connection")).collect();
    // The second director learns of a connection by its packets.
    held.iter_mut().for_each(|visit| visit.ask().expect("an answer"));
    flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    await_copies(second);

    site.outside.cut(first);
    await_address(second);
    let before = flow.so_far().servers().total();
    flow.until("the flow is answered again", |delivery| delivery.servers().total() > before + 10);
    let alive = held.iter_mut().filter_map(|visit| visit.ask().ok()).count();
    let delivery = flow.finish();
    let gap = delivery.longest_gap();
    assert_eq!(alive, HELD, "connections that live on");
    assert!(gap < LONGEST_GAP, "nobody answered for {gap:.2?}");
    format!(
        "the address moved with a gap of {gap:.2?}, {} of {} datagrams lost, {alive} of {HELD} connections held",
        delivery.lost(),
        delivery.sent()
    )
}

/// The `master` sends what it knows of connections, and the `backup` takes it.
fn synchronize(director: &Host, side: &str) {
    // Every change of state, and again each 4 s: without a period, a threshold of 0 means never.
    director.set("net/ipv4/vs/sync_threshold", "0 0");
    director.set("net/ipv4/vs/sync_refresh_period", "4");
    director.set("net/ipv4/vs/sync_retries", "1");
    director.call(&format!("ipvsadm --start-daemon {side} --mcast-interface eth0"));
}

fn start(director: &Host, priority: u8) -> Process {
    let address = VIRTUAL[0];
    let process = keepalived::start(
        director,
        &format!(
            "global_defs {{ vrrp_version 3 }}
            vrrp_instance site {{
                state BACKUP
                interface eth0
                virtual_router_id 51
                priority {priority}
                advert_int 0.2
                virtual_ipaddress {{ {address}/32 }}
            }}\n"
        ),
    );
    process.await_output(&process.stderr, "that it is a backup", |text| text.contains("BACKUP STATE").then_some(()));
    process
}

fn await_address(director: &Host) {
    let address = format!(" {}/", VIRTUAL[0]);
    wait::until(&format!("{} has the address", director.name()), PATIENCE, || {
        director.call("ip -brief address show dev eth0").contains(&address)
    });
}

/// Waits until a director knows all held connections from the other.
fn await_copies(director: &Host) {
    wait::eventually("the second director knows the connections", PATIENCE, || {
        let connections = director.proc_net("ip_vs_conn");
        let known =
            connections.lines().filter(|line| line.starts_with("TCP ") && line.contains(" ESTABLISHED ")).count();
        if known == HELD { Ok(()) } else { Err(format!("it knows {known} of {HELD}:\n{connections}")) }
    });
}
