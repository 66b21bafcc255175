//! RTSP inside a pair of HTTP connections: players are redirected, and publishers relayed, as outside.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use weir_tests::clients::rtsp::{ffmpeg_plays, gstreamer_plays, gstreamer_publishes};
use weir_tests::edges::RECORDED;
use weir_tests::wait::PATIENCE;

use crate::rtsp_stage::{OneEdge, PLAYED};

impl OneEdge {
    /// What a client is told that sends these halves, one after the other, on connections of their own; the first is
    /// where it is told something.
    fn told(&self, halves: &[&str]) -> String {
        let mut connections: Vec<TcpStream> = Vec::new();
        for half in halves {
            let mut stream = TcpStream::connect(self.balancer.clients).expect("the balancer listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
            stream.write_all(half.as_bytes()).expect("send");
            connections.push(stream);
        }
        let get = halves.iter().position(|half| half.starts_with("GET")).expect("who is told something");
        let mut told = String::new();
        connections[get].read_to_string(&mut told).expect("an answer, and the end");
        told
    }
}

/// `OPTIONS * RTSP/1.0`, `CSeq: 1`, in base64 with a line break.
const OPTIONS: &str = "T1BUSU9OUyAqIFJU\r\nU1AvMS4wDQpDU2VxOiAxDQoNCg==";
/// `DESCRIBE /live/camera RTSP/1.0`, `CSeq: 2`, `User-Agent: Lavf`, in base64.
const DESCRIBE: &str = "REVTQ1JJQkUgL2xpdmUvY2FtZXJhIFJUU1AvMS4wDQpDU2VxOiAyDQpVc2VyLUFnZW50OiBMYXZmDQoNCg==";

fn get(cookie: &str) -> String {
    format!("GET {PLAYED} HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n")
}

fn post(cookie: &str, body: &str) -> String {
    format!(
        "POST {PLAYED} HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nContent-Type: application/x-rtsp-tunnelled\r\n\
         Content-Length: 32767\r\n\r\n{body}"
    )
}

#[test]
fn ffmpeg_is_redirected_inside_the_tunnel() {
    let stage = OneEdge::set("[limits]\nworkers = 8\n");
    let _ = ffmpeg_plays(&stage.balancer.url("rtsp", PLAYED), &["-rtsp_transport", "http"]).expect_success();
    stage.edge.await_event(&format!("PLAY {PLAYED}"));
    assert_eq!(stage.balancer.handouts("rtsp"), 1.0);
}

#[test]
fn gstreamer_is_redirected_inside_the_tunnel() {
    let stage = OneEdge::set("[limits]\nworkers = 8\n");
    let url = stage.balancer.url("rtsph", PLAYED);
    let _ = gstreamer_plays(&url, &[]).expect_success();
    stage.edge.await_event(&format!("PLAY {PLAYED}"));
    assert_eq!(stage.balancer.handouts("rtsp"), 1.0);
}

#[test]
fn players_are_relayed_out_of_the_tunnel() {
    let stage = OneEdge::set("[limits]\nworkers = 8\n[[application]]\nmode = \"relay\"\n");
    let _ = ffmpeg_plays(&stage.balancer.url("rtsp", PLAYED), &["-rtsp_transport", "http"]).expect_success();
    let _ = gstreamer_plays(&stage.balancer.url("rtsph", PLAYED), &[]).expect_success();
    let played = stage.edge.events().iter().filter(|event| **event == format!("PLAY {PLAYED}")).count();
    assert_eq!(played, 2, "{:?}", stage.edge.events());
}

#[test]
fn publishers_are_relayed_out_of_the_tunnel() {
    let stage = OneEdge::set("[limits]\nworkers = 8\n");
    gstreamer_publishes(&stage.balancer.url("rtsph", RECORDED), "tcp").unwrap();
    stage.edge.await_event(&format!("MEDIA {RECORDED}"));
}

#[test]
fn either_half_may_come_first_and_messages_follow_each_other() {
    let stage = OneEdge::set("[limits]\nworkers = 8\n");
    let (get, post) = (get("a"), post("a", &format!("{OPTIONS}{DESCRIBE}")));
    for halves in [[&*get, &*post], [&*post, &*get]] {
        let told = stage.told(&halves);
        let expected = "HTTP/1.0 200 OK\r\n";
        assert!(
            told.starts_with(expected) && told.contains("Content-Type: application/x-rtsp-tunnelled\r\n"),
            "{told}"
        );
        assert!(told.contains("\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\n"), "{told}");
        assert!(told.contains("\r\n\r\nRTSP/1.0 302 Moved Temporarily\r\nCSeq: 2\r\n"), "{told}");
    }
}

#[test]
fn half_a_tunnel_leads_nowhere() {
    let stage = OneEdge::set("[limits]\ndecision_timeout = \"1s\"\n[limits.rtsp]\ncookie = 4\n");
    let rejected = |reason| stage.balancer.metrics().sum("weir_clients_rejected_total", &[("reason", reason)]);
    for (halves, status, reason) in [
        (vec![get("a")], "200 OK", "tunnel-timeout"),
        (vec![get("a"), post("b", OPTIONS)], "200 OK", "tunnel-timeout"),
        (vec![get("a"), post("a", "?")], "200 OK", ""),
        (vec![get("12345")], "400 Bad Request", "tunnel-cookie"),
    ] {
        let halves: Vec<&str> = halves.iter().map(String::as_str).collect();
        let told = stage.told(&halves);
        assert!(told.starts_with(&format!("HTTP/1.0 {status}\r\n")) && !told.contains("RTSP/1.0"), "{told}");
        assert!(reason.is_empty() || rejected(reason) >= 1.0, "{reason}");
    }
}

#[test]
fn tunnels_can_be_refused() {
    let stage = OneEdge::set("[limits.rtsp]\ntunnels = 0\n");
    assert!(gstreamer_publishes(&stage.balancer.url("rtsph", RECORDED), "tcp").is_err());
    assert!(stage.told(&[&get("a")]).starts_with("HTTP/1.0 503 "));
    assert!(stage.edge.events().is_empty(), "{:?}", stage.edge.events());
}
