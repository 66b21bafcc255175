//! `GET /loadbalancer` names the least loaded edge, and no edge that has stopped or timed out.

use std::fs;
use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::{ask, fetch};
use weir_tests::wait::{PATIENCE, eventually, until};

/// Time without a report after which an edge has timed out.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a balancer and three edges, ordered by load; the loads differ so much that assignments do not change the
/// order.
fn three_edges() -> (Balancer, [Agent; 3]) {
    let balancer = Balancer::start();
    let agents = [2, 40, 80].map(|load| AgentBuilder::of(&balancer).load(load).start());
    balancer.await_running(3);
    (balancer, agents)
}

#[test]
fn the_least_loaded_edge_is_named_in_the_exact_format() {
    let (balancer, agents) = three_edges();
    for _ in 0..10 {
        let answer = fetch(&balancer.url("http", "/loadbalancer"), &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, format!("redirect={}", agents[0].address));
    }
    // Any path with this ending and any query, as real clients send them.
    for path in ["/live/loadbalancer", "/loadbalancer?12345"] {
        assert_eq!(fetch(&balancer.url("http", path), &[]).body, format!("redirect={}", agents[0].address));
    }
    assert_eq!(balancer.assignments("http"), 12.0);
}

#[test]
fn the_choice_follows_the_load() {
    let (balancer, mut agents) = three_edges();
    assert_eq!(ask(&balancer), agents[0].address.to_string());
    agents[0].connections.set(120);
    agents[2].connections.set(0);
    until("the choice moves to the edge without clients", PATIENCE, || ask(&balancer) == agents[2].address.to_string());
}

#[test]
fn a_stopped_edge_is_no_longer_named() {
    let (balancer, mut agents) = three_edges();
    assert_eq!(ask(&balancer), agents[0].address.to_string());
    let _ = agents[0].terminate().expect_success();
    // The time limit allows for one datagram over loopback, and is far less than the timeout.
    eventually("the next edge is named", Duration::from_secs(1), || {
        let named = ask(&balancer);
        if named == agents[1].address.to_string() { Ok(()) } else { Err(named) }
    });
    for _ in 0..5 {
        assert_eq!(ask(&balancer), agents[1].address.to_string());
    }
}

#[test]
fn a_killed_edge_is_no_longer_named_after_the_timeout() {
    let (balancer, mut agents) = three_edges();
    assert_eq!(ask(&balancer), agents[0].address.to_string());
    let killed = Instant::now();
    agents[0].kill();
    // Read from the server information, because each client request counts as load of the edge that it gets.
    let dead = agents[0].address.to_string();
    until("the edge has timed out", TIMEOUT + Duration::from_secs(1), || {
        balancer.server_info().iter().any(|edge| edge.redirect == dead && edge.status == "MSGTIMEOUT")
    });
    assert_eq!(ask(&balancer), agents[1].address.to_string());
    // A late report does not remove an edge before the timeout.
    assert!(killed.elapsed() > TIMEOUT - Duration::from_secs(1), "removed after {:?}", killed.elapsed());
    // It comes back with its first report.
    agents[0].restart();
    until("the edge is named again", PATIENCE, || ask(&balancer) == agents[0].address.to_string());
}

#[test]
fn one_agent_reports_to_several_balancers() {
    let first = Balancer::start();
    // Copied, because each balancer would create its own key at its first start.
    let state = folder();
    fs::copy(first.key_file(), state.path().join("key")).expect("copy the key, with its mode");
    let second = Balancer::start_in(state, None);
    let agent = AgentBuilder::of(&first).target(second.reports).start();
    for balancer in [&first, &second] {
        balancer.await_running(1);
        assert_eq!(ask(balancer), agent.address.to_string());
    }
}

#[test]
fn without_an_edge_the_answer_is_unknown() {
    let balancer = Balancer::start();
    assert_eq!(ask(&balancer), "unknown");
    assert_eq!(fetch(&balancer.url("http", "/redirect/live/camera/master.m3u8"), &[]).status, 503);
    assert_eq!(fetch(&format!("http://{}/readyz", balancer.admin), &[]).status, 503);
    assert_eq!(fetch(&format!("http://{}/healthz", balancer.admin), &[]).status, 200);
    let _agent = AgentBuilder::of(&balancer).start();
    until("the balancer is ready", PATIENCE, || fetch(&format!("http://{}/readyz", balancer.admin), &[]).status == 200);
}
