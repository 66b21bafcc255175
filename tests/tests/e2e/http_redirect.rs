//! `GET /loadbalancer` names the least loaded edge, and an edge that is gone is named no more.

use std::fs;
use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::{ask, fetch};
use weir_tests::wait::{PATIENCE, eventually, until};

/// After this long without a report an edge has timed out.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A balancer and three edges, in order of their load; so far apart that hand-outs do not change the order.
fn least_of_three() -> (Balancer, [Agent; 3]) {
    let balancer = Balancer::start();
    let agents = [2, 40, 80].map(|load| AgentBuilder::of(&balancer).load(load).start());
    balancer.await_running(3);
    (balancer, agents)
}

#[test]
fn the_least_loaded_edge_is_named_in_exact_bytes() {
    let (balancer, agents) = least_of_three();
    for _ in 0..10 {
        let answer = fetch(&balancer.url("http", "/loadbalancer"), &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, format!("redirect={}", agents[0].address));
    }
    // Any path that ends so, with any query, as clients in the wild ask.
    for path in ["/live/loadbalancer", "/loadbalancer?12345"] {
        assert_eq!(fetch(&balancer.url("http", path), &[]).body, format!("redirect={}", agents[0].address));
    }
    assert_eq!(balancer.handouts("http"), 12.0);
}

#[test]
fn the_choice_follows_the_load() {
    let (balancer, mut agents) = least_of_three();
    assert_eq!(ask(&balancer), agents[0].address.to_string());
    agents[0].connections.set(120);
    agents[2].connections.set(0);
    until("the choice moves to the edge that its clients left", PATIENCE, || {
        ask(&balancer) == agents[2].address.to_string()
    });
}

#[test]
fn an_edge_that_stops_is_left_at_once() {
    let (balancer, mut agents) = least_of_three();
    assert_eq!(ask(&balancer), agents[0].address.to_string());
    let _ = agents[0].terminate().expect_success();
    // "At once" is the time that one datagram over loopback takes, and far less than the timeout.
    eventually("the next edge is named", Duration::from_secs(1), || {
        let named = ask(&balancer);
        if named == agents[1].address.to_string() { Ok(()) } else { Err(named) }
    });
    for _ in 0..5 {
        assert_eq!(ask(&balancer), agents[1].address.to_string());
    }
}

#[test]
fn an_edge_that_is_killed_is_left_within_the_timeout() {
    let (balancer, mut agents) = least_of_three();
    assert_eq!(ask(&balancer), agents[0].address.to_string());
    let killed = Instant::now();
    agents[0].kill();
    // Asked of the balancer's own page: each question of a client counts as load of the edge it is given.
    let dead = agents[0].address.to_string();
    until("the edge has timed out", TIMEOUT + Duration::from_secs(1), || {
        balancer.server_info().iter().any(|edge| edge.redirect == dead && edge.status == "MSGTIMEOUT")
    });
    assert_eq!(ask(&balancer), agents[1].address.to_string());
    // Before the timeout a late report is no reason to leave an edge.
    assert!(killed.elapsed() > TIMEOUT - Duration::from_secs(1), "left after {:?}", killed.elapsed());
    // It comes back with its first report.
    agents[0].restart();
    until("the edge is named again", PATIENCE, || ask(&balancer) == agents[0].address.to_string());
}

#[test]
fn one_agent_reports_to_several_balancers() {
    let first = Balancer::start();
    // Each makes a key of its own at its first start unless it is given one.
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
    until("it is ready", PATIENCE, || fetch(&format!("http://{}/readyz", balancer.admin), &[]).status == 200);
}
