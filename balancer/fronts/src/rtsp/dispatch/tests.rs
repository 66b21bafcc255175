//! Players, publishers and other clients, until they are redirected, relayed or rejected.

use weir_fleet::testing::report;
use weir_protocol::Host;

use super::*;
use crate::fixtures::{CLIENT, front};
use crate::settings::ServerInfo;

fn with_an_edge() -> Front {
    let mut report = report();
    report.redirect = Host::new("edge1").ok();
    front(&[report], ServerInfo::Off)
}

fn request(method: &str, url: &str, headers: &str) -> String {
    format!("{method} {url} RTSP/1.0\r\nCSeq: 2\r\n{headers}\r\n")
}

/// Dispatches a client that sends `sent`. Returns the progress, the responses, and its pending relay.
fn dispatch(front: &Front, sent: &str) -> (Progress, String, Option<PendingRelay>) {
    let mut dispatcher = Dispatcher::new(front, CLIENT);
    let mut output = Vec::new();
    let progress = dispatcher.advance(sent.as_bytes(), &mut output);
    (progress, String::from_utf8(output).unwrap(), dispatcher.into_pending_relay())
}

#[test]
fn the_forwarding_method_depends_on_the_request_and_the_mode() {
    use Method::{Announce, Describe, Record, Setup};
    let method = ForwardingMethod::of;
    for request in [Describe, Announce, Record, Setup] {
        assert_eq!(method(request, Mode::Relay), ForwardingMethod::Relay);
    }
    assert_eq!(method(Describe, Mode::Auto), ForwardingMethod::Redirect);
    assert_eq!(method(Describe, Mode::Redirect), ForwardingMethod::Redirect);
    for publisher in [Announce, Record] {
        assert_eq!(method(publisher, Mode::Auto), ForwardingMethod::Relay);
        assert_eq!(method(publisher, Mode::Redirect), ForwardingMethod::RejectPublisher);
    }
    assert_eq!(method(Setup, Mode::Auto), ForwardingMethod::Relay);
    let not_yet = ForwardingMethod::Respond(Status::MethodNotValidInThisState);
    assert_eq!(method(Setup, Mode::Redirect), not_yet);
}

#[test]
fn a_redirect_keeps_the_schemes_of_windows_media() {
    for scheme in ["rtsp", "rtspt", "rtspu"] {
        let url = format!("{scheme}://lb/video.wmv?a=b");
        let describe = request("DESCRIBE", &url, "User-Agent: WMPlayer/12\r\n");
        let (progress, response, _) = dispatch(&with_an_edge(), &describe);
        assert_eq!(progress, Progress::Answered);
        assert!(response.contains(&format!("\r\nLocation: {scheme}://edge1/video.wmv?a=b\r\n")), "{response}");
    }
}

#[test]
fn a_player_is_not_redirected_to_the_server_that_it_requested() {
    let describe = request("DESCRIBE", "rtsp://edge1/live/x", "User-Agent: Lavf\r\n");
    let (_, response, _) = dispatch(&with_an_edge(), &describe);
    assert!(response.starts_with("RTSP/1.0 503 ") && response.contains("refused-loop"), "{response}");
}

#[test]
fn a_publisher_is_relayed_with_its_unanswered_requests() {
    let announce = request("ANNOUNCE", "rtsp://lb/live/x", "Content-Length: 9\r\n") + "v=0\r\n";
    let (progress, responses, pending) = dispatch(&with_an_edge(), &(request("OPTIONS", "*", "") + &announce));
    let pending = pending.unwrap();
    assert_eq!((progress, responses.matches("RTSP/1.0 200").count()), (Progress::HandOver, 1));
    assert_eq!((&*pending.received, &*pending.path, pending.cseq), (announce.as_bytes(), "/live/x", 2));
    assert!(pending.assignment.is_none());
}

#[test]
fn a_client_that_follows_its_redirect_on_the_same_connection_is_relayed_to_that_edge() {
    let front = with_an_edge();
    let first = request("DESCRIBE", "rtsp://lb:8554/live/x", "User-Agent: AndroidXMedia3/1.4.1\r\n");
    let again = request("DESCRIBE", "rtsp://edge1:8554/live/x", "");
    let (progress, response, pending) = dispatch(&front, &first);
    assert_eq!(progress, Progress::Lingering);
    assert!(response.starts_with("RTSP/1.0 302 ") && !response.contains("Connection: close"), "{response}");
    assert!(pending.is_none());
    let (progress, responses, pending) = dispatch(&front, &(first.clone() + &again));
    assert_eq!((progress, responses.matches("RTSP/1.0 ").count()), (Progress::HandOver, 1));
    let pending = pending.unwrap();
    assert_eq!(pending.received, again.as_bytes());
    assert_eq!(pending.assignment.unwrap().host(), "edge1");
    let other_server = request("DESCRIBE", "rtsp://lb:8554/live/x", "");
    assert_eq!(dispatch(&front, &(first + &other_server)).0, Progress::Last);
}

#[test]
fn a_player_over_tls_is_relayed_to_an_edge_without_tls() {
    let mut report = report();
    report.redirect = Host::new("edge1").ok();
    report.endpoints.push(weir_protocol::report::Endpoint::new("rtsp", 8554));
    let front = front(&[report], ServerInfo::Off);
    let mut dispatcher = Dispatcher::new(&front, Client { is_secure: true, ..CLIENT });
    let sent = request("DESCRIBE", "rtsps://lb/live/x", "User-Agent: Lavf59.27.100\r\n");
    let mut output = Vec::new();
    assert_eq!(dispatcher.advance(sent.as_bytes(), &mut output), Progress::HandOver);
    assert!(output.is_empty());
    assert_eq!(dispatcher.into_pending_relay().unwrap().assignment.unwrap().host(), "edge1");
}

#[test]
fn without_an_edge_a_player_is_rejected_at_once() {
    let (progress, response, _) = dispatch(&front(&[], ServerInfo::Off), &request("DESCRIBE", "rtsp://lb/x", ""));
    assert_eq!(progress, Progress::Answered);
    assert!(response.starts_with("RTSP/1.0 503 "), "{response}");
}
