//! Nobody goes round in circles: not a client that is redirected, and not the balancer that relays.

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
    // Of itself it would have been refused, too.
    assert_eq!(balancer.metrics().sum("weir_refusals_total", &[("protocol", "rtmp")]), 1.0);
    assert!(balancer.process.stderr.text().contains("it is this balancer itself"));
}

#[test]
fn a_player_is_not_redirected_to_where_it_asked() {
    let path = "/live/camera";
    let balancer = Balancer::start();
    // Without load, it would be the one to be chosen.
    let slip = AgentBuilder::of(&balancer).address(LOOPBACK).endpoint("rtsp", balancer.clients.port()).start();
    let edge = GstRtsp::serving(path);
    let _agent = AgentBuilder::of(&balancer).address(edge.address).endpoint("rtsp", edge.port).load(30).start();
    balancer.await_running(2);
    let _ = play_frames(&balancer.url("rtsp", path), 2).expect_success();
    edge.await_event(&format!("PLAY {path}"));
    assert_eq!(balancer.handouts("rtsp"), 1.0);
    let log = balancer.process.stderr.text();
    assert!(log.lines().any(|line| line.contains("names the balancer") && line.contains(&slip.guid())), "{log}");
}

#[test]
fn a_client_that_comes_back_again_and_again_is_refused() {
    let balancer = Balancer::with_config("[limits.repeats]\nmost = 3\nwithin = \"1h\"\n");
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
