//! Clients are redirected only to allowed hosts, so that a stolen key does not turn the balancer into an open
//! redirector.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::{ask, fetch};
use weir_tests::wait::{PATIENCE, until};

const LIMITS: &str = "[redirect]\nhosts = [\"edge.example.com\"]\nnetworks = [\"127.0.0.0/8\"]\n";

#[test]
fn an_edge_outside_the_limits_is_listed_but_gets_no_clients() {
    let balancer = Balancer::with_config(LIMITS);
    // A name, an address, two names that resemble an allowed one, and one in an endpoint. All without load.
    let outside = ["evil.example.org", "192.0.2.1", "evil-edge.example.com", "edge.example.com.example.org"];
    let mut agents: Vec<_> = outside.iter().map(|host| AgentBuilder::of(&balancer).redirect(host).start()).collect();
    agents.push(AgentBuilder::of(&balancer).endpoint_at("http", "evil.example.org", 80).start());
    balancer.await_running(agents.len());
    assert_eq!(ask(&balancer), "unknown");
    let path = balancer.url("http", "/redirect/live/camera/master.m3u8");
    assert_eq!(fetch(&path, &[]).status, 503);
    until("the reason is logged", PATIENCE, || {
        let log = balancer.process.stderr.text();
        agents.iter().all(|agent| {
            log.lines().any(|line| line.contains("WARN") && line.contains(&agent.guid()) && line.contains("[redirect]"))
        })
    });

    let inside = AgentBuilder::of(&balancer).endpoint("http", 8080).load(30).start();
    balancer.await_running(agents.len() + 1);
    for _ in 0..20 {
        assert_eq!(ask(&balancer), inside.address.to_string());
        let location = fetch(&path, &[]).location;
        assert_eq!(location, format!("http://{}:8080/live/camera/master.m3u8", inside.address));
    }
    for edge in balancer.edges() {
        let is_inside = edge.id == inside.guid();
        assert_eq!((edge.redirect_allowed, edge.available), (is_inside, is_inside), "{edge:?}");
        assert_eq!(edge.assignments, Some(if is_inside { 40 } else { 0 }), "{edge:?}");
    }
}

#[test]
fn an_edge_within_the_limits_gets_clients() {
    let balancer = Balancer::with_config(LIMITS);
    let agent = AgentBuilder::of(&balancer).redirect("a.edge.example.com").start();
    balancer.await_running(1);
    assert_eq!(ask(&balancer), "a.edge.example.com");
    let edges = balancer.edges();
    assert!(edges[0].id == agent.guid() && edges[0].redirect_allowed, "{edges:?}");
}
