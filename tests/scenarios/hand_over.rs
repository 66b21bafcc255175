//! A pair of directors with a planned hand-over, and a pair without connection synchronisation.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_tests::kernel::application::Application;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::connection::Connection;
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::pair::{Director, check_arrivals, count_alive};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::tally::Tally;
use weir_tests::kernel::{keepalived, weir};

/// Servers and check; other settings come before it.
const SERVICE: &str = r#"
[[kernel.service.server]]
address = "192.0.2.21"
[[kernel.service.server]]
address = "192.0.2.22"
[kernel.service.check]
kind = "tcp"
"#;

/// Connections are synchronised, so either director can continue them.
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

/// Connections are not synchronised: both directors choose by a hash of the client's address.
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

/// Addresses for RTSP and RTP.
const TO: [SocketAddr; 2] = [SocketAddr::new(VIRTUAL[0], RTSP), SocketAddr::new(VIRTUAL[0], RTP)];

/// Number of connections that are open while the addresses move.
const HELD: usize = 10;

/// More than the time-out of VRRP, with a margin for an emulated machine.
const MAX_GAP: Duration = Duration::from_secs(2);

/// Weir stops on a director, which then refuses clients. Before that, the other one takes over.
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
    assert_eq!(
        (first.has_address(), second.has_address()),
        (false, true),
        "the hand-over is complete when Weir has stopped"
    );
    assert_eq!(first.track_value(), "-100");
    let drained = site.servers.iter().all(|server| first.host.ipvs().weights(server.addresses[0]) == [0]);
    assert!(drained, "the first director sends no clients to servers: {:?}", first.host.ipvs());
    assert_eq!(count_alive(&mut held), HELD, "surviving connections");

    first.balancer = weir::start(first.host);
    first.await_master();
    second.await_backup();
    let returned = count_alive(&mut held);
    assert_eq!(returned, HELD, "surviving connections");
    let (arrived, delivery) = (arrivals.finish(), flow.finish());
    check_arrivals(&arrived, 2);
    let gap = delivery.longest_gap();
    assert!(gap < MAX_GAP, "no replies for {gap:.2?}");
    assert_eq!(delivery.servers().servers().count(), 1, "the flow keeps its server: {}", delivery.servers());
    format!(
        "Weir stopped after {took:.1?}, once the other director had taken over; there and back: {returned} of {HELD} connections \
         survived, no replies for at most {gap:.2?}, {} of {} datagrams lost, {} new clients, {} reset, the longest took {:.1?}",
        delivery.lost(),
        delivery.sent(),
        arrived.served.total(),
        arrived.failures.len(),
        arrived.longest,
    )
}

/// A director dies, and the other one, without any synchronised connections, sends each client to its server.
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
    let tally: Tally = held.iter().map(Connection::server).collect();
    assert_eq!(tally.servers().count(), site.servers.len(), "clients use all servers: {tally}");
    let flow = Flow::start(&site.client, TO[1], Duration::from_millis(10));
    flow.until("the flow gets replies", |delivery| delivery.latest().is_some());
    assert_eq!([first.sync_roles(), second.sync_roles()], [[""; 0]; 2], "no sync daemons run");
    assert_eq!(second.host.proc_net("ip_vs_conn").lines().filter(|line| line.starts_with("TCP")).count(), 0);

    site.outside.disconnect(first.host);
    second.await_master();
    let survivors = count_alive(&mut held);
    let delivery = flow.finish();
    let gap = delivery.longest_gap();
    assert_eq!(survivors, HELD, "surviving connections");
    assert_eq!(delivery.servers().servers().count(), 1, "the flow keeps its server: {}", delivery.servers());
    assert!(gap < MAX_GAP, "no replies for {gap:.2?}");
    let again: Tally = hold(&clients).iter().map(Connection::server).collect();
    assert_eq!(again, tally, "each client has the same server as before");
    format!(
        "{tally}; a director died: no replies for {gap:.2?}, {survivors} of {HELD} connections survived without synchronisation"
    )
}

/// A site with configured directors, with keepalived's configurations as printed by Weir; and the applications on the
/// servers' own addresses, for the checks.
fn site(head: &str) -> (Site, Vec<Application>) {
    let site = Site::new(Method::Direct, 2, 2);
    for (host, name) in site.directors.iter().zip(["first", "second"]) {
        host.install_file(weir::CONFIGURATION, &format!("{head}{SERVICE}"));
        let print = format!(
            "weir-balancer keepalived-conf --interface eth0 --director {name} --config {}",
            weir::CONFIGURATION
        );
        host.install_file(keepalived::CONFIGURATION, &host.shell(&print));
    }
    let checked = |server: &Server| Application::start(&server.host, &[SocketAddr::new(server.addresses[0], RTSP)]);
    let checked = site.servers.iter().map(checked).collect();
    (site, checked)
}

/// Opens connections of these clients, in turn.
fn hold(clients: &[&Host]) -> Vec<Connection> {
    let open = |client: &&Host| Connection::open(client, TO[0]).expect("a connection");
    clients.iter().cycle().take(HELD).map(open).collect()
}
