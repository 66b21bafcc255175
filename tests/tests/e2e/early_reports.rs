//! Important changes are reported early, before the next regular report, up to a maximum rate.

use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::udp_proxy::UdpProxy;

/// Interval of regular reports, so long that none is sent during a test.
const INTERVAL: &str = "60s";
/// A timeout to match.
const CONFIG: &str = "[reports]\ntimeout = \"180s\"\n";
/// Twice the maximum time for a probe and a report, and only a thirtieth of the interval.
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
    let balancer = Balancer::with_config(CONFIG);
    let agent = AgentBuilder::of(&balancer).interval(INTERVAL).load(3).start();
    await_load(&balancer, &agent, 3);
    assert_eq!(balancer.reports_rejected("unconfirmed"), 1.0, "it is accepted with its second report");
}

#[test]
fn a_jump_in_load_is_reported_at_once() {
    let balancer = Balancer::with_config(CONFIG);
    let mut agent = AgentBuilder::of(&balancer).interval(INTERVAL).start();
    balancer.await_running(1);
    for load in [50, 100, 20, 0] {
        agent.connections.set(load);
        await_load(&balancer, &agent, load as u64);
    }
}

#[test]
fn there_are_never_more_than_four_reports_per_second() {
    let balancer = Balancer::with_config(CONFIG);
    let proxy = UdpProxy::in_front_of(balancer.reports);
    let mut agent = AgentBuilder::reporting_to(proxy.address, &balancer.key_file()).interval(INTERVAL).start();
    balancer.await_running(1);
    let (start, before) = (Instant::now(), proxy.recorded().len());
    let mut commands = 0_u32;
    while start.elapsed() < Duration::from_secs(3) {
        for command in ["pause", "unpause"] {
            let _ = agent.cli(&[command]).expect_success();
            commands += 1;
        }
        agent.connections.set(if commands.is_multiple_of(4) { 0 } else { 50 });
    }
    let (seconds, reports) = (start.elapsed().as_secs_f64(), proxy.recorded().len() - before);
    assert!(commands as usize > reports, "only {commands} changes in {seconds} s: too few to test the limit");
    // One more because the first may be sent at once, and one for the phase of the two programs' clocks.
    assert!(reports as f64 <= 4.0 * seconds + 2.0, "{reports} reports in {seconds} s");
    assert!(reports as f64 >= 2.0 * seconds, "{reports} reports in {seconds} s");
    // The last report has the final state.
    balancer.await_fleet_within(SOON, "the edge is running", |fleet| fleet[0].status == "RUNNING");
}
