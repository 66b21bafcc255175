//! A server's machine dies under load. Once Weir has detected it, clients hardly notice.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use weir_tests::kernel::application::Application;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::connection::{Connection, open_connections};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::{History, Moment};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;
use weir_tests::wait::{self, PATIENCE};

/// Three services with the same servers, which detect a dead server in different ways.
const CONFIGURATION: &str = r#"
[kernel]
only = true
[reports]
timeout = "6s"
[selection]
ramp = "1s"

[[kernel.service]]
name = "checked"
addresses = ["192.0.2.10"]
tcp = ["1001"]
udp = ["1001"]
mark = 1
scheduler = "rr"
persistence = "60s"
method = "nat"
[[kernel.service.server]]
address = "198.51.100.21"
[[kernel.service.server]]
address = "198.51.100.22"
[[kernel.service.server]]
address = "198.51.100.23"
[kernel.service.check]
interval = "500ms"
fast_interval = "100ms"
timeout = "300ms"
fall = 2

[[kernel.service]]
name = "reporting"
addresses = ["192.0.2.10"]
tcp = ["1002"]
udp = ["1002"]
mark = 2
scheduler = "rr"
method = "nat"
edges = true

[[kernel.service]]
name = "reporting-and-checked"
addresses = ["192.0.2.10"]
tcp = ["1003"]
udp = ["1003"]
mark = 3
scheduler = "rr"
method = "nat"
edges = true
[kernel.service.check]
interval = "500ms"
fast_interval = "100ms"
timeout = "300ms"
fall = 2
"#;

/// Mark and port of each service, and how it detects a dead server.
const SERVICES: [(u32, u16, &str); 3] =
    [(1, 1001, "by check"), (2, 1002, "by silence"), (3, 1003, "by check before silence")];

/// Interval of datagrams.
const INTERVAL: Duration = Duration::from_millis(20);

/// Number of clients of each service after the detection.
const CLIENTS_AFTER: usize = 4;

/// Minimum time to detect silence: the configured `timeout` less the agents' interval.
const MIN_SILENCE: Duration = Duration::from_millis(5500);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 3);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    let _applications: Vec<Application> = site
        .servers
        .iter()
        .map(|server| {
            let sockets = SERVICES.map(|(_, port, _)| SocketAddr::new(server.addresses[0], port));
            Application::start(&server.host, &sockets)
        })
        .collect();
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start(director, &configuration);
    let to = ["198.51.100.1".parse().expect("the director's inside address")];
    let _agents: Vec<Process> =
        site.servers.iter().map(|server| weir::agent(&server.host, &to, server.addresses[0], RTSP)).collect();
    wait::until("all servers have weight", PATIENCE, || {
        let table = director.ipvs();
        let is_live =
            |address| table.weights(address).len() == 3 && table.weights(address).iter().all(|weight| *weight > 0);
        site.servers.iter().all(|server| is_live(server.addresses[0]))
    });

    // In the first service, persistence keeps the client on the same server for TCP and UDP.
    let to = |port| SocketAddr::new(VIRTUAL[0], port);
    let mut held = Connection::open(&site.client, to(1001)).expect("a connection");
    let name = held.server().to_owned();
    let dead = &site.servers[site.index_of(&name)];
    let flows = SERVICES.map(|(_, port, _)| flow_to(&site, to(port), &name));
    let history = History::start(director);

    let death = Instant::now();
    site.kill(dead);
    let arrivals = Arrivals::start(&site.client, to(1003));
    flows.iter().for_each(|flow| {
        flow.until("another server replies", |delivery| delivery.latest().is_some_and(|server| server != name));
    });
    let (start, end) = (Instant::now(), held.exchange());
    let reset = start.elapsed();
    assert!(end.is_err() && reset < Duration::from_secs(2), "the connection is reset: {end:?} after {reset:.1?}");
    for (_, port, detection) in SERVICES {
        let tally = open_connections(&site.client, to(port), CLIENTS_AFTER);
        assert_eq!(tally.of(&name), 0, "{detection}: {tally}");
    }
    let arrivals = arrivals.finish();
    let status = balancer.call("GET", "kernel").body;
    let count = |reason: &str| status.matches(reason).count();
    assert_eq!((count("health check failed"), count("agent silent")), (2, 1), "{status}");
    let moments = history.finish();
    let deleted = SERVICES.map(|(mark, ..)| deleted_at(&moments, mark, dead.addresses[0]));
    let took = deleted.map(|deleted| deleted - death);
    let [by_check, by_silence, by_both] = took;
    assert!(by_silence > MIN_SILENCE && by_check.max(by_both) < by_silence, "checks detect it first: {took:.2?}");
    let measured = flows.into_iter().zip(SERVICES).zip(deleted).map(|((flow, (.., detection)), deleted)| {
        let delivery = flow.finish();
        let (took, after) = (deleted - death, delivery.lost_since(deleted));
        assert!(after <= 1, "{detection}: {after} datagrams are lost after the server is deleted");
        let before = delivery.lost() - after;
        format!("{detection}: deleted after {took:.2?}, {before} datagrams lost before and {after} after")
    });
    let measured: Vec<String> = measured.collect();
    let (failed, longest) = (arrivals.failures.len(), arrivals.longest);
    format!(
        "{}; an open connection was reset in {reset:.1?}; of {} new ones in the meantime {failed} failed, the longest took {longest:.1?}",
        measured.join("; "),
        arrivals.served.total() + failed
    )
}

/// Starts a flow that this server replies to, by round robin or persistence.
fn flow_to(site: &Site, to: SocketAddr, name: &str) -> Flow {
    let start = |_| Flow::start(&site.client, to, INTERVAL);
    let has_server = |flow: &Flow| {
        flow.until("the flow gets replies", |delivery| delivery.latest().is_some()).latest() == Some(name)
    };
    (0..2 * site.servers.len()).map(start).find(has_server).expect("round robin reaches each server")
}

/// When a server was deleted from a service.
fn deleted_at(moments: &[Moment], mark: u32, server: IpAddr) -> Instant {
    let last = moments.iter().rposition(|moment| moment.weights.get(mark, server).is_some()).expect("it was present");
    moments.get(last + 1).expect("it is deleted").seen.end
}
