//! Two directors of which one hands over as planned, and two that know nothing of each other's connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::kernel::application::Application;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::pair::{Director, alive, check_arrivals};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::tally::Tally;
use weir_tests::kernel::visitor::Visit;
use weir_tests::kernel::{keepalived, weir};

/// What is served; how, and what the directors exchange, comes before it.
const SERVICE: &str = r#"
[[kernel.service.server]]
address = "192.0.2.21"
[[kernel.service.server]]
address = "192.0.2.22"
[kernel.service.check]
kind = "tcp"
"#;

/// Connections are exchanged, so that it does not matter who takes them.
const PLANNED: &str = r#"
[kernel]
only = true
on_exit = "drain"
[kernel.directors]
sync_interface = "eth0"
[[kernel.service]]
name = "media"
addresses = ["192.0.2.10"]
tcp = ["554"]
udp = ["6970-7069"]
scheduler = "wrr"
method = "direct"
"#;

/// Connections are not exchanged: both directors choose by a hash of the client's address.
const ALIKE: &str = r#"
[kernel]
only = true
[kernel.directors]
[[kernel.service]]
name = "media"
addresses = ["192.0.2.10"]
tcp = ["554"]
udp = ["6970-7069"]
scheduler = "mh"
method = "direct"
"#;

/// Where players and their media go.
const TO: [SocketAddr; 2] = [SocketAddr::new(VIRTUAL[0], RTSP), SocketAddr::new(VIRTUAL[0], RTP)];

/// Connections that are held while the addresses move.
const HELD: usize = 10;

/// Longer than VRRP waits, on a machine that is emulated.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// Weir stops on a director, which then turns clients away: before that the other one takes over.
pub(crate) fn planned() -> String {
    let (site, _checked) = site(PLANNED);
    let [first, second] = &site.directors[..] else { panic!("two directors") };
    let [mut first, second] = [first, second].map(|host| Director::start(host, VIRTUAL[0]));
    first.await_master();
    second.await_backup();
    [&first, &second].into_iter().for_each(|director| director.await_servers(site.servers.len()));
    let mut held = hold(&[&site.client]);
    second.await_connections(HELD);
    let flow = Flow::start(&site.client, TO[1], Duration::from_millis(10));
    let arrivals = Arrivals::start(&site.client, TO[0]);

    let start = Instant::now();
    let stopped = first.balancer.process.terminate();
    let took = start.elapsed();
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!((first.has_address(), second.has_address()), (false, true), "it is handed over when Weir ends");
    assert_eq!(first.fitness(), "-100");
    let drained = site.servers.iter().all(|server| first.host.ipvs().weights(server.addresses[0]) == [0]);
    assert!(drained, "the first director gives nobody a server: {:?}", first.host.ipvs());
    assert_eq!(alive(&mut held), HELD, "connections that live on");

    first.balancer = weir::start(first.host);
    first.await_master();
    second.await_backup();
    let returned = alive(&mut held);
    assert_eq!(returned, HELD, "connections that live on");
    let (arrived, delivery) = (arrivals.finish(), flow.finish());
    check_arrivals(&arrived, 2);
    let gap = delivery.longest_gap();
    assert!(gap < LONGEST_GAP, "nobody answered for {gap:.2?}");
    assert_eq!(delivery.servers().servers().count(), 1, "the flow stays: {}", delivery.servers());
    format!(
        "Weir ended after {took:.1?}, when the other had taken over; there and back: {returned} of {HELD} connections held, \
         silent for at most {gap:.2?}, {} of {} datagrams lost, {} clients meanwhile, {} cut off, the longest {:.1?}",
        delivery.lost(),
        delivery.sent(),
        arrived.greeted.total(),
        arrived.failures.len(),
        arrived.longest,
    )
}

/// A director dies, and the other one, who was never told of a connection, sends each to the server that it had.
pub(crate) fn alike() -> String {
    let (site, _checked) = site(ALIKE);
    let others: Vec<Host> = (1..HELD)
        .map(|number| {
            let host = Host::new(&format!("client{number}"));
            site.outside.join(&host, "eth0", &[format!("192.0.2.{}/24", 100 + number)]);
            host
        })
        .collect();
    let clients: Vec<&Host> = [&site.client].into_iter().chain(&others).collect();
    let [first, second] = &site.directors[..] else { panic!("two directors") };
    let [first, second] = [first, second].map(|host| Director::start(host, VIRTUAL[0]));
    first.await_master();
    second.await_backup();
    [&first, &second].into_iter().for_each(|director| director.await_servers(site.servers.len()));
    let mut held = hold(&clients);
    let tally: Tally = held.iter().map(Visit::server).collect();
    assert_eq!(tally.servers().count(), site.servers.len(), "clients are spread: {tally}");
    let flow = Flow::start(&site.client, TO[1], Duration::from_millis(10));
    flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    assert_eq!([first.exchange(), second.exchange()], [[""; 0]; 2], "nothing is exchanged");
    assert_eq!(second.host.proc_net("ip_vs_conn").lines().filter(|line| line.starts_with("TCP")).count(), 0);

    site.outside.cut(first.host);
    second.await_master();
    let survivors = alive(&mut held);
    let delivery = flow.finish();
    let gap = delivery.longest_gap();
    assert_eq!(survivors, HELD, "connections that live on");
    assert_eq!(delivery.servers().servers().count(), 1, "the flow stays: {}", delivery.servers());
    assert!(gap < LONGEST_GAP, "nobody answered for {gap:.2?}");
    let again: Tally = hold(&clients).iter().map(Visit::server).collect();
    assert_eq!(again, tally, "each client is sent where it was before");
    format!(
        "{tally}; a director dead: silent for {gap:.2?}, {survivors} of {HELD} connections held, unknown to the other"
    )
}

/// A site whose directors are furnished, with keepalived's configurations as Weir prints them; and what is asked whether servers
/// work, at their own addresses.
fn site(head: &str) -> (Site, Vec<Application>) {
    let site = Site::new(Method::Direct, 2, 2);
    for (host, name) in site.directors.iter().zip(["first", "second"]) {
        host.furnish(weir::CONFIGURATION, &format!("{head}{SERVICE}"));
        let print = format!(
            "weir-balancer keepalived-conf --interface eth0 --director {name} --config {}",
            weir::CONFIGURATION
        );
        host.furnish(keepalived::CONFIGURATION, &host.shell(&print));
    }
    let checked = |server: &Server| Application::start(&server.host, &[SocketAddr::new(server.addresses[0], RTSP)]);
    let checked = site.servers.iter().map(checked).collect();
    (site, checked)
}

/// Connections that these clients hold, one after the other.
fn hold(clients: &[&Host]) -> Vec<Visit> {
    let visit = |client: &&Host| Visit::start(client, TO[0]).expect("a connection");
    clients.iter().cycle().take(HELD).map(visit).collect()
}
