//! With `mode = "redirect"` RTMP clients are rejected with the edge's address. Clients that support it follow; others
//! fail at once.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::amf0::Value;
use weir_tests::clients::{flash, play_frames, publish, rtmpdump};
use weir_tests::edges::NginxRtmp;

/// Time limit for a client to exit; one that waits on an open connection exceeds it.
const EXIT_TIME: Duration = Duration::from_secs(5);

/// Without it, clients that do not follow redirects are relayed.
const REDIRECT: &str = "[[application]]\nmode = \"redirect\"\n";

fn setup() -> (Balancer, NginxRtmp, Agent) {
    let balancer = Balancer::with_config(REDIRECT);
    let edge = NginxRtmp::start();
    let agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port()).start();
    balancer.await_running(1);
    (balancer, edge, agent)
}

#[test]
fn a_flash_player_follows_the_redirect() {
    let (balancer, edge, _agent) = setup();
    for query in ["", "?token=abc&user=1"] {
        let requested = balancer.url("rtmp", &format!("/live{query}"));
        let journey = flash::connect(&requested).unwrap();
        let redirect = format!("rtmp://{}:{}/live{query}", edge.address(), edge.rtmp_port());
        assert_eq!(journey.visited, [requested, redirect]);
        assert_eq!(journey.code(), "NetConnection.Connect.Success", "{journey:?}");
    }
    let connects = edge.connects();
    assert_eq!(connects.len(), 2, "{connects:?}");
    assert!(connects[0].contains("app='live' args=''"), "{connects:?}");
    assert!(connects[1].contains("app='live' args='token=abc&user=1'"), "{connects:?}");
    assert_eq!(balancer.assignments("rtmp"), 2.0);
}

#[test]
fn the_connection_is_closed_after_a_rejection() {
    let (balancer, edge, _agent) = setup();
    let url = balancer.url("rtmp", "/live");
    let (mut connection, application) = flash::open(&url).unwrap();
    let rejected = Instant::now();
    let (name, transaction, arguments) = flash::ask(&mut connection, &url, &application).unwrap();
    assert_eq!((name.as_str(), transaction, &arguments[0]), ("_error", 1.0, &Value::Null));
    let information = &arguments[1];
    assert_eq!(information.text("level"), Some("error"));
    assert_eq!(information.text("code"), Some("NetConnection.Connect.Rejected"));
    let ex = information.property("ex").unwrap();
    assert_eq!(ex.property("code"), Some(&Value::Number(302.0)));
    assert_eq!(ex.text("redirect"), Some(&*format!("rtmp://{}:{}/live", edge.address(), edge.rtmp_port())));
    assert_eq!(connection.receive().unwrap().0, "close");
    assert_eq!(connection.receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    // Closed by the rejection itself, not by a timeout.
    assert!(rejected.elapsed() < Duration::from_secs(1), "closed after {:?}", rejected.elapsed());
}

#[test]
fn rtmpdump_fails_at_once() {
    let (balancer, edge, _agent) = setup();
    let ended = rtmpdump(&balancer.url("rtmp", "/live/camera"), EXIT_TIME);
    assert!(!ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("server sent error"), "{}", ended.stderr);
    assert_eq!(edge.accepted(), 0, "librtmp does not follow redirects");
}

#[test]
fn ffmpeg_fails_at_once() {
    let (balancer, edge, _agent) = setup();
    let mut ended = publish(&[balancer.url("rtmp", "/live/camera")]);
    assert!(!ended.finish(EXIT_TIME).status.success());
    let ended = play_frames(&balancer.url("rtmp", "/live/camera"), 1);
    assert!(!ended.status.success(), "{ended:?}");
    assert_eq!(edge.accepted(), 0, "ffmpeg does not follow redirects");
}

#[test]
fn without_an_edge_the_rejection_contains_no_redirect() {
    let balancer = Balancer::start();
    let journey = flash::connect(&balancer.url("rtmp", "/live")).unwrap();
    assert_eq!(journey.visited.len(), 1);
    assert_eq!(journey.code(), "NetConnection.Connect.Rejected");
    assert_eq!(journey.information.property("ex"), None);
}
