//! RTSP tunnelled in a pair of HTTP connections: players are redirected and publishers relayed as over plain RTSP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use weir_tests::clients::play_rtsp;
use weir_tests::clients::rtsp::{ffmpeg_plays, gstreamer_publishes};
use weir_tests::edges::PUBLISH_PATH;
use weir_tests::wait::PATIENCE;

use crate::rtsp_setup::{OneEdge, PLAY_PATH};

impl OneEdge {
    /// Sends the halves of a tunnel in this order, on separate connections, and returns the answer on that of the
    /// `GET`.
    fn answer_to(&self, halves: &[&str]) -> String {
        let mut connections: Vec<TcpStream> = Vec::new();
        for half in halves {
            let mut stream = TcpStream::connect(self.balancer.clients).expect("the balancer listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
            stream.write_all(half.as_bytes()).expect("send");
            connections.push(stream);
        }
        let get = halves.iter().position(|half| half.starts_with("GET")).expect("a GET half");
        let mut answer = String::new();
        connections[get].read_to_string(&mut answer).expect("an answer, and the end");
        answer
    }
}

/// `OPTIONS * RTSP/1.0`, `CSeq: 1`, in base64 with a line break.
const OPTIONS: &str = "T1BUSU9OUyAqIFJU\r\nU1AvMS4wDQpDU2VxOiAxDQoNCg==";
/// `DESCRIBE /live/camera RTSP/1.0`, `CSeq: 2`, `User-Agent: Lavf`, in base64.
const DESCRIBE: &str = "REVTQ1JJQkUgL2xpdmUvY2FtZXJhIFJUU1AvMS4wDQpDU2VxOiAyDQpVc2VyLUFnZW50OiBMYXZmDQoNCg==";

fn get(cookie: &str) -> String {
    format!("GET {PLAY_PATH} HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n")
}

fn post(cookie: &str, body: &str) -> String {
    format!(
        "POST {PLAY_PATH} HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nContent-Type: application/x-rtsp-tunnelled\r\n\
         Content-Length: 32767\r\n\r\n{body}"
    )
}

#[test]
fn ffmpeg_is_redirected_inside_the_tunnel() {
    let setup = OneEdge::start("[limits]\nworkers = 8\n");
    let _ = ffmpeg_plays(&setup.balancer.url("rtsp", PLAY_PATH), &["-rtsp_transport", "http"]).expect_success();
    setup.edge.await_event(&format!("PLAY {PLAY_PATH}"));
    assert_eq!(setup.balancer.assignments("rtsp"), 1.0);
}

#[test]
fn gstreamer_is_redirected_inside_the_tunnel() {
    let setup = OneEdge::start("[limits]\nworkers = 8\n");
    let url = setup.balancer.url("rtsph", PLAY_PATH);
    play_rtsp(&url, &[]).expect("it plays");
    setup.edge.await_event(&format!("PLAY {PLAY_PATH}"));
    assert_eq!(setup.balancer.assignments("rtsp"), 1.0);
}

#[test]
fn players_in_a_tunnel_are_relayed_over_plain_rtsp() {
    let setup = OneEdge::start("[limits]\nworkers = 8\n[[application]]\nmode = \"relay\"\n");
    let _ = ffmpeg_plays(&setup.balancer.url("rtsp", PLAY_PATH), &["-rtsp_transport", "http"]).expect_success();
    play_rtsp(&setup.balancer.url("rtsph", PLAY_PATH), &[]).expect("it plays");
    let played = setup.edge.events().iter().filter(|event| **event == format!("PLAY {PLAY_PATH}")).count();
    assert_eq!(played, 2, "{:?}", setup.edge.events());
}

#[test]
fn publishers_in_a_tunnel_are_relayed_over_plain_rtsp() {
    let setup = OneEdge::start("[limits]\nworkers = 8\n");
    gstreamer_publishes(&setup.balancer.url("rtsph", PUBLISH_PATH), "tcp").unwrap();
    setup.edge.await_event(&format!("MEDIA {PUBLISH_PATH}"));
}

#[test]
fn either_half_may_come_first_and_requests_can_be_pipelined() {
    let setup = OneEdge::start("[limits]\nworkers = 8\n");
    let (get, post) = (get("a"), post("a", &format!("{OPTIONS}{DESCRIBE}")));
    for halves in [[&*get, &*post], [&*post, &*get]] {
        let answer = setup.answer_to(&halves);
        let expected = "HTTP/1.0 200 OK\r\n";
        assert!(
            answer.starts_with(expected) && answer.contains("Content-Type: application/x-rtsp-tunnelled\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\n"), "{answer}");
        assert!(answer.contains("\r\n\r\nRTSP/1.0 302 Moved Temporarily\r\nCSeq: 2\r\n"), "{answer}");
    }
}

#[test]
fn incomplete_tunnels_are_closed() {
    let setup = OneEdge::start("[limits]\ndecision_timeout = \"1s\"\n[limits.rtsp]\ncookie = 4\n");
    let rejected = |reason| setup.balancer.metrics().sum("weir_clients_rejected_total", &[("reason", reason)]);
    for (halves, status, reason) in [
        (vec![get("a")], "200 OK", "tunnel-timeout"),
        (vec![get("a"), post("b", OPTIONS)], "200 OK", "tunnel-timeout"),
        (vec![get("a"), post("a", "?")], "200 OK", ""),
        (vec![get("12345")], "400 Bad Request", "tunnel-cookie"),
    ] {
        let halves: Vec<&str> = halves.iter().map(String::as_str).collect();
        let answer = setup.answer_to(&halves);
        assert!(answer.starts_with(&format!("HTTP/1.0 {status}\r\n")) && !answer.contains("RTSP/1.0"), "{answer}");
        assert!(reason.is_empty() || rejected(reason) >= 1.0, "{reason}");
    }
}

#[test]
fn tunnels_can_be_disabled() {
    let setup = OneEdge::start("[limits.rtsp]\ntunnels = 0\n");
    assert!(gstreamer_publishes(&setup.balancer.url("rtsph", PUBLISH_PATH), "tcp").is_err());
    assert!(setup.answer_to(&[&get("a")]).starts_with("HTTP/1.0 503 "));
    assert!(setup.edge.events().is_empty(), "{:?}", setup.edge.events());
}
