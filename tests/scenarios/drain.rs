//! Servers are drained in the ways that operators use: their clients stay, and all others go to other servers.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use weir_tests::kernel::connection::{Connection, open_connections};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::{History, Moment};
use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;

/// Persistence lasts longer than the scenario, and closed connections expire soon.
const CONFIGURATION: &str = r#"
[kernel]
only = true
interval = "500ms"
tcp_fin_timeout = "1s"
[selection]
ramp = "1s"
[[kernel.service]]
name = "media"
addresses = ["192.0.2.10"]
tcp = ["554"]
udp = ["6970-7069"]
mark = 1
scheduler = "rr"
persistence = "300s"
method = "direct"
edges = true
drain = "8s"
"#;

/// The configured `drain`.
const DRAIN: Duration = Duration::from_secs(8);

/// Deadline of the command to the second server.
const DEADLINE: Duration = Duration::from_secs(9);

/// Time until an expired deadline takes effect: an interval and a margin for an emulated machine.
const MAX_DELAY: Duration = Duration::from_secs(3);

/// Tolerance for the times of reports and of the history.
const TOLERANCE: Duration = Duration::from_millis(100);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 4);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start(director, &configuration);
    let to = ["192.0.2.11".parse().expect("the director's address")];
    let mut agents: Vec<Process> =
        site.servers.iter().map(|server| weir::agent(&server.host, &to, server.addresses[0], RTSP)).collect();
    site.await_weights("all servers have weight", |weights| weights.iter().all(|weight| *weight > Some(0)));

    // Each server has a client with persistence and a connection.
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let clients: Vec<Host> = (101..105).map(|number| site.add_client(number)).collect();
    let mut held: Vec<(Connection, &Host)> =
        clients.iter().map(|client| (Connection::open(client, service).expect("a connection"), client)).collect();
    held.sort_by_key(|(connection, _)| site.index_of(connection.server()));
    let [(first, first_client), (second, second_client), (third, third_client), (fourth, _)] = &mut held[..] else {
        panic!("four clients")
    };
    assert_eq!([&*first, second, third, fourth].map(Connection::server), ["server1", "server2", "server3", "server4"]);
    let flow = Flow::start(second_client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(20));
    let delivery = flow.until("the flow gets replies", |delivery| delivery.latest().is_some());
    assert_eq!(delivery.latest(), Some("server2"), "a client has one server for all ports");

    // One by the API: it is deleted with its last connection.
    let history = History::start(director);
    let command = Instant::now();
    balancer.send_command(&site.servers[0].host, "drain?deadline=10m");
    site.await_weights("the server is drained", |weights| {
        matches!(weights, [Some(0), Some(1..), Some(1..), Some(1..)])
    });
    let took = command.elapsed();
    first.exchange().expect("the connection survives");
    let (first_client, newcomer) = (*first_client, site.add_client(105));
    for client in [first_client, &newcomer] {
        let tally = open_connections(client, service, 3);
        assert_eq!(tally.of("server1"), 0, "{} gets another server: {tally}", client.name());
    }
    let empty = Instant::now();
    *first = Connection::open(first_client, service).expect("a connection to another server");
    site.await_weights("the server is deleted", |weights| weights[0].is_none());
    let emptied = empty.elapsed();

    // One by its agent, and one whose agent stops: they are deleted at their deadlines, even with connections.
    let drained =
        during(|| weir::run_agent_command(&site.servers[1].host, &format!("drain --deadline {}s", DEADLINE.as_secs())));
    let stopped = during(|| drop(agents[2].terminate().expect_success()));
    site.await_weights("two servers are drained", |weights| matches!(weights, [None, Some(0), Some(0), Some(1..)]));
    for (connection, client) in [(&mut *second, second_client), (&mut *third, third_client)] {
        connection
            .exchange()
            .unwrap_or_else(|error| panic!("the connection to {} does not survive: {error}", connection.server()));
        assert_eq!(open_connections(client, service, 1).of("server4"), 1, "{} gets another server", client.name());
    }
    let is_before_deadlines = drained.start.elapsed() < DEADLINE && stopped.start.elapsed() < DRAIN;
    assert!(is_before_deadlines, "this machine is too slow to observe the time before the first deadline");
    site.await_weights("all servers but one are deleted", |weights| matches!(weights, [None, None, None, Some(1..)]));
    flow.until("another server replies", |delivery| delivery.latest() == Some("server4"));
    fourth.exchange().expect("the connection to the fourth server survives");
    for connection in [second, third] {
        assert!(connection.exchange().is_err(), "the connection to {} is closed", connection.server());
    }
    let moments = history.finish();
    assert!(moments.iter().all(|moment| moment.weights.is_live(1)), "there is always a live server: {moments:?}");
    let [_, second, third] = [0, 1, 2].map(|index| deleted_at(&moments, &site.servers[index]));
    let by_deadline = after(&drained, DEADLINE, second);
    let by_stop = after(&stopped, DRAIN, third);
    let delivery = flow.finish();
    let lost = (delivery.lost() - delivery.lost_since(second), delivery.lost_since(second));
    assert!(lost.0 == 0 && lost.1 <= 1, "the flow lost {} datagrams while drained, and {} after", lost.0, lost.1);
    format!(
        "weight 0 {took:.1?} after the command, and once empty deleted after {emptied:.1?}; with a deadline of {DEADLINE:.0?}, \
         deleted after {by_deadline:.1?}; after the stop of its agent: {by_stop:.1?}; a flow lost {} datagrams until its server \
         was deleted, and {} after",
        lost.0, lost.1
    )
}

/// Runs `work`, and returns its start and end.
fn during(work: impl FnOnce()) -> Range<Instant> {
    let start = Instant::now();
    work();
    start..Instant::now()
}

/// Time from a command until the server was deleted. It must be the expected one, within tolerances.
fn after(command: &Range<Instant>, expected: Duration, deleted: Instant) -> Duration {
    let (longest, shortest) = (deleted - command.start, deleted - command.end);
    assert!(
        longest + TOLERANCE > expected && shortest < expected + MAX_DELAY,
        "{shortest:.1?} to {longest:.1?}, not {expected:.1?}"
    );
    shortest
}

/// When a server was deleted, after it had weight 0. It may have been paused before, if its agent could not measure its
/// load in time.
fn deleted_at(moments: &[Moment], server: &Server) -> Instant {
    let weights: Vec<_> = moments.iter().map(|moment| moment.weights.get(1, server.addresses[0])).collect();
    let drained =
        weights.iter().rposition(|weight| weight.is_some_and(|weight| weight > 0)).expect("the server had weight") + 1;
    assert_eq!(weights.get(drained), Some(&Some(0)), "{} is drained: {weights:?}", server.host.name());
    let deleted = drained + weights[drained..].iter().position(Option::is_none).expect("the server is deleted");
    assert!(weights[deleted..].iter().all(Option::is_none), "{} is not added again: {weights:?}", server.host.name());
    moments[deleted].seen.end
}
