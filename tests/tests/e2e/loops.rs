//! Loop protection, for redirected clients and for relays.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::{fetch, play_frames, rtmpdump};
use weir_tests::edges::GstRtsp;
use weir_tests::wait::{PATIENCE, until};

const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

#[test]
fn a_balancer_does_not_relay_to_itself() {
    let balancer = Balancer::start();
    let _agent = AgentBuilder::of(&balancer).address(LOOPBACK).endpoint("rtmp", balancer.clients.port()).start();
    balancer.await_running(1);
    let refused = rtmpdump(&balancer.url("rtmp", "/live/camera"), PATIENCE);
    assert!(!refused.status.success(), "{refused:?}");
    // Exactly one refusal: a relay to itself would have caused more.
    assert_eq!(balancer.metrics().sum("weir_refusals_total", &[("protocol", "rtmp")]), 1.0);
    assert!(balancer.process.stderr.text().contains("address is a listener of this balancer"));
}

#[test]
fn a_player_is_not_redirected_back_to_the_balancer() {
    let path = "/live/camera";
    let balancer = Balancer::start();
    // Without load, it would be selected.
    let misconfigured = AgentBuilder::of(&balancer).address(LOOPBACK).endpoint("rtsp", balancer.clients.port()).start();
    let edge = GstRtsp::serving(path);
    let _agent = AgentBuilder::of(&balancer).address(edge.address).endpoint("rtsp", edge.port).load(30).start();
    balancer.await_running(2);
    let _ = play_frames(&balancer.url("rtsp", path), 2).expect_success();
    edge.await_event(&format!("PLAY {path}"));
    assert_eq!(balancer.assignments("rtsp"), 1.0);
    let log = balancer.process.stderr.text();
    assert!(
        log.lines()
            .any(|line| line.contains("edge leads back to the balancer") && line.contains(&misconfigured.guid())),
        "{log}"
    );
}

#[test]
fn a_client_that_repeats_a_request_too_often_is_refused() {
    let balancer = Balancer::with_config("[limits.repeats]\nmax = 3\nwindow = \"1h\"\n");
    let _agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let url = balancer.url("http", "/redirect/live/camera.m3u8");
    let statuses = [(); 4].map(|()| fetch(&url, &[]).status);
    assert_eq!(statuses, [302, 302, 302, 508]);
    assert_eq!(fetch(&balancer.url("http", "/redirect/live/other.m3u8"), &[]).status, 302, "another URL");
    until("it is counted", PATIENCE, || {
        balancer.metrics().sum("weir_refusals_total", &[("reason", "refused-loop")]) == 1.0
    });
}
