//! Servers are drained, each as operators do it: those who are there stay, and all others go elsewhere.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::{History, Moment};
use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Server, Site, VIRTUAL};
use weir_tests::kernel::visitor::{Visit, visits};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;

/// Clients stay with their server for longer than all this takes; a connection that was ended is soon forgotten.
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

/// What `drain` says.
const DRAIN: Duration = Duration::from_secs(8);

/// Until then the second server is to be empty, by its operator.
const DEADLINE: Duration = Duration::from_secs(9);

/// What it may take until a deadline is seen to have passed, on an emulated machine: an interval and a bit.
const LATE: Duration = Duration::from_secs(3);

/// Reports and the kernel's history are not exact.
const EARLY: Duration = Duration::from_millis(100);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 4);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start(director, &configuration);
    let to = ["192.0.2.11".parse().expect("the director's own address")];
    let mut agents: Vec<Process> =
        site.servers.iter().map(|server| weir::agent(&server.host, &to, server.addresses[0], RTSP)).collect();
    site.await_weights("all serve", |weights| weights.iter().all(|weight| *weight > Some(0)));

    // Each server has a client who stays with it, and is connected to it.
    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let clients: Vec<Host> = (101..105).map(|number| site.another_client(number)).collect();
    let mut held: Vec<(Visit, &Host)> =
        clients.iter().map(|client| (Visit::start(client, service).expect("a connection"), client)).collect();
    held.sort_by_key(|(visit, _)| site.position(visit.server()));
    let [(first, first_client), (second, second_client), (third, third_client), (fourth, _)] = &mut held[..] else {
        panic!("four clients")
    };
    assert_eq!([&*first, second, third, fourth].map(Visit::server), ["server1", "server2", "server3", "server4"]);
    let flow = Flow::start(second_client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(20));
    let delivery = flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    assert_eq!(delivery.latest(), Some("server2"), "a client has one server for all");

    // One by the API: it goes with its last connection.
    let history = History::start(director);
    let order = Instant::now();
    balancer.order(&site.servers[0].host, "drain?deadline=10m");
    site.await_weights("it is drained", |weights| matches!(weights, [Some(0), Some(1..), Some(1..), Some(1..)]));
    let took = order.elapsed();
    first.ask().expect("who is connected stays");
    let (first_client, newcomer) = (*first_client, site.another_client(105));
    for client in [first_client, &newcomer] {
        let tally = visits(client, service, 3);
        assert_eq!(tally.of("server1"), 0, "{} goes elsewhere: {tally}", client.name());
    }
    let empty = Instant::now();
    *first = Visit::start(first_client, service).expect("a connection elsewhere");
    site.await_weights("it is deleted", |weights| weights[0].is_none());
    let emptied = empty.elapsed();

    // One by its agent, and one whose agent ends: they go at their deadlines, connections or not.
    let drained =
        during(|| weir::tell_agent(&site.servers[1].host, &format!("drain --deadline {}s", DEADLINE.as_secs())));
    let stopped = during(|| drop(agents[2].terminate().expect_success()));
    site.await_weights("two are drained", |weights| matches!(weights, [None, Some(0), Some(0), Some(1..)]));
    for (visit, client) in [(&mut *second, second_client), (&mut *third, third_client)] {
        visit.ask().unwrap_or_else(|error| panic!("the connection to {} does not live on: {error}", visit.server()));
        assert_eq!(visits(client, service, 1).of("server4"), 1, "{} goes elsewhere", client.name());
    }
    let is_early = drained.start.elapsed() < DEADLINE && stopped.start.elapsed() < DRAIN;
    assert!(is_early, "this machine is too slow to see what there is before the first deadline");
    site.await_weights("all are deleted but one", |weights| matches!(weights, [None, None, None, Some(1..)]));
    flow.until("another server answers", |delivery| delivery.latest() == Some("server4"));
    fourth.ask().expect("the connection to the fourth server lives on");
    for visit in [second, third] {
        assert!(visit.ask().is_err(), "the connection to {} is ended", visit.server());
    }
    let moments = history.finish();
    assert!(moments.iter().all(|moment| moment.weights.is_live(1)), "there is always somebody: {moments:?}");
    let [_, second, third] = [0, 1, 2].map(|place| end(&moments, &site.servers[place]));
    let by_deadline = after(&drained, DEADLINE, second);
    let by_goodbye = after(&stopped, DRAIN, third);
    let delivery = flow.finish();
    let lost = (delivery.lost() - delivery.lost_since(second), delivery.lost_since(second));
    assert!(lost.0 == 0 && lost.1 <= 1, "the flow lost {} datagrams while drained, and {} after", lost.0, lost.1);
    format!(
        "weight 0 {took:.1?} after the order, and once empty deleted after {emptied:.1?}; a deadline of {DEADLINE:.0?}: deleted \
         after {by_deadline:.1?}; an agent's goodbye: after {by_goodbye:.1?}; a flow lost {} datagrams until its server was \
         deleted, and {} after",
        lost.0, lost.1
    )
}

/// When something began, and when it was done.
fn during(work: impl FnOnce()) -> Range<Instant> {
    let start = Instant::now();
    work();
    start..Instant::now()
}

/// How long after the order a server was deleted, which is to be so long and hardly longer.
fn after(order: &Range<Instant>, expected: Duration, deleted: Instant) -> Duration {
    let (longest, shortest) = (deleted - order.start, deleted - order.end);
    assert!(
        longest + EARLY > expected && shortest < expected + LATE,
        "{shortest:.1?} to {longest:.1?}, not {expected:.1?}"
    );
    shortest
}

/// When a server was deleted, after it had had weight 0 for a while. It may have been paused before, where its agent was too
/// slow to know how it is.
fn end(moments: &[Moment], server: &Server) -> Instant {
    let weights: Vec<_> = moments.iter().map(|moment| moment.weights.get(1, server.addresses[0])).collect();
    let drained = weights.iter().rposition(|weight| weight.is_some_and(|weight| weight > 0)).expect("it served") + 1;
    assert_eq!(weights.get(drained), Some(&Some(0)), "{} is drained: {weights:?}", server.host.name());
    let deleted = drained + weights[drained..].iter().position(Option::is_none).expect("it is deleted");
    assert!(weights[deleted..].iter().all(Option::is_none), "{} does not come back: {weights:?}", server.host.name());
    moments[deleted].seen.end
}
