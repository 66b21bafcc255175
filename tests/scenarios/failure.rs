//! A server's machine dies under traffic: from the moment at which Weir knows, clients hardly notice.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use weir_tests::kernel::application::Application;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::History;
use weir_tests::kernel::history::Moment;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::{Visit, visits};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;
use weir_tests::wait::{self, PATIENCE};

/// Three services of the same servers, which differ in how it is found out that one is dead.
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

/// The services by mark, with their port and how they find out.
const SERVICES: [(u32, u16, &str); 3] =
    [(1, 1001, "by check"), (2, 1002, "by silence"), (3, 1003, "by check before silence")];

/// Between two datagrams.
const PACE: Duration = Duration::from_millis(20);

/// Clients of each service once it is known.
const AFTER: usize = 4;

/// No silence is found sooner: what `timeout` says, less the agents' interval.
const SOONEST_SILENCE: Duration = Duration::from_millis(5500);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 3);
    let director = &site.directors[0];
    site.give_virtual_address(director);
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
    let to = ["198.51.100.1".parse().expect("the director's address inside")];
    let _agents: Vec<Process> =
        site.servers.iter().map(|server| weir::agent(&server.host, &to, server.addresses[0], RTSP)).collect();
    wait::until("all servers serve", PATIENCE, || {
        let table = director.ipvs();
        let serves =
            |address| table.weights(address).len() == 3 && table.weights(address).iter().all(|weight| *weight > 0);
        site.servers.iter().all(|server| serves(server.addresses[0]))
    });

    // The client stays with the server that it has in the first service, by TCP as by UDP.
    let to = |port| SocketAddr::new(VIRTUAL[0], port);
    let mut held = Visit::start(&site.client, to(1001)).expect("a connection");
    let name = held.server().to_owned();
    let dead = &site.servers[site.position(&name)];
    let flows = SERVICES.map(|(_, port, _)| flow_to(&site, to(port), &name));
    let history = History::start(director);

    let death = Instant::now();
    site.kill(dead);
    let meanwhile = Arrivals::start(&site.client, to(1003));
    flows.iter().for_each(|flow| {
        flow.until("another server answers", |delivery| delivery.latest().is_some_and(|server| server != name));
    });
    let (start, end) = (Instant::now(), held.ask());
    let told = start.elapsed();
    assert!(end.is_err() && told < Duration::from_secs(2), "who was connected is told: {end:?} after {told:.1?}");
    for (_, port, found) in SERVICES {
        let tally = visits(&site.client, to(port), AFTER);
        assert_eq!(tally.of(&name), 0, "{found}: {tally}");
    }
    let meanwhile = meanwhile.finish();
    let shown = balancer.call("GET", "kernel").body;
    let count = |reason: &str| shown.matches(reason).count();
    assert_eq!((count("its check failed"), count("its agent is silent")), (2, 1), "{shown}");
    let moments = history.finish();
    let known = SERVICES.map(|(mark, ..)| deleted(&moments, mark, dead.addresses[0]));
    let took = known.map(|known| known - death);
    let [by_check, by_silence, by_both] = took;
    assert!(by_silence > SOONEST_SILENCE && by_check.max(by_both) < by_silence, "checks find it first: {took:.2?}");
    let measured = flows.into_iter().zip(SERVICES).zip(known).map(|((flow, (.., found)), known)| {
        let delivery = flow.finish();
        let (took, after) = (known - death, delivery.lost_since(known));
        assert!(after <= 1, "{found}: {after} datagrams are lost once the server is deleted");
        let before = delivery.lost() - after;
        format!("{found}: known after {took:.2?}, {before} datagrams lost until then and {after} after")
    });
    let measured: Vec<String> = measured.collect();
    let (failed, waited) = (meanwhile.failures.len(), meanwhile.longest);
    format!(
        "{}; a held connection ended in {told:.1?}; of {} that were made meanwhile {failed} failed, one waited {waited:.1?}",
        measured.join("; "),
        meanwhile.greeted.total() + failed
    )
}

/// A flow that this server answers: they take turns, or the client stays with it.
fn flow_to(site: &Site, to: SocketAddr, name: &str) -> Flow {
    let start = |_| Flow::start(&site.client, to, PACE);
    let is_there =
        |flow: &Flow| flow.until("the flow is answered", |delivery| delivery.latest().is_some()).latest() == Some(name);
    (0..2 * site.servers.len()).map(start).find(is_there).expect("each server has its turn")
}

/// When a server was seen to be deleted from a service.
fn deleted(moments: &[Moment], mark: u32, server: IpAddr) -> Instant {
    let gone = moments.iter().rfind(|moment| moment.weights.get(mark, server).is_some());
    let place = gone.and_then(|last| moments.iter().position(|moment| moment == last)).expect("it was there");
    moments.get(place + 1).expect("it is deleted").seen.end
}
