//! What cannot wait for the next regular report is reported ahead of time, though never too often.

use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::udp_proxy::UdpProxy;

/// So seldom are regular reports that none falls into a test.
const INTERVAL: &str = "60s";
const PATIENT: &str = "[reports]\ntimeout = \"180s\"\n";
/// Two times what a probe and a report take at most, and no more than a thirtieth of the interval.
const SOON: Duration = Duration::from_secs(2);

#[track_caller]
fn await_load(balancer: &Balancer, agent: &Agent, load: u64) {
    let address = agent.address.to_string();
    balancer.await_fleet_within(SOON, &format!("{load} connections"), |fleet| {
        fleet.iter().any(|edge| edge.redirect == address && edge.connect_count == load && edge.status == "RUNNING")
    });
}

#[test]
fn an_edge_that_joins_gets_clients_at_once() {
    let balancer = Balancer::with_config(PATIENT);
    let agent = AgentBuilder::of(&balancer).interval(INTERVAL).load(3).start();
    await_load(&balancer, &agent, 3);
    assert_eq!(balancer.rejected("unconfirmed"), 1.0, "it is believed at its second report");
}

#[test]
fn a_jump_of_load_is_seen_at_once() {
    let balancer = Balancer::with_config(PATIENT);
    let mut agent = AgentBuilder::of(&balancer).interval(INTERVAL).start();
    balancer.await_running(1);
    for load in [50, 100, 20, 0] {
        agent.connections.set(load);
        await_load(&balancer, &agent, load as u64);
    }
}

#[test]
fn whatever_happens_there_are_at_most_four_reports_a_second() {
    let balancer = Balancer::with_config(PATIENT);
    let proxy = UdpProxy::before(balancer.reports);
    let mut agent = AgentBuilder::to(proxy.address, &balancer.key_file()).interval(INTERVAL).start();
    balancer.await_running(1);
    let (start, before) = (Instant::now(), proxy.recorded().len());
    let mut orders = 0_u32;
    while start.elapsed() < Duration::from_secs(3) {
        for order in ["pause", "unpause"] {
            let _ = agent.ask(&[order]).expect_success();
            orders += 1;
        }
        agent.connections.set(if orders.is_multiple_of(4) { 0 } else { 50 });
    }
    let (seconds, reports) = (start.elapsed().as_secs_f64(), proxy.recorded().len() - before);
    assert!(orders as usize > reports, "{orders} changes in {seconds} s show nothing");
    // One more, since the first may come at once, and one for where the clocks of two programs stand.
    assert!(reports as f64 <= 4.0 * seconds + 2.0, "{reports} reports in {seconds} s");
    assert!(reports as f64 >= 2.0 * seconds, "{reports} reports in {seconds} s");
    // The last word is the right one.
    balancer.await_fleet_within(SOON, "the edge runs", |fleet| fleet[0].status == "RUNNING");
}
