//! A request that is answered from its head alone gets one well-formed response, which redirects to the edge only.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir_fleet::{Fleet, FleetSettings, Lifetimes, Moment, Origin, Selector, Time};
use weir_fronts::http::steering::playlist::{self, Steering};
use weir_fronts::relay::RelaySessions;
use weir_fronts::settings::ServerInfo;
use weir_fronts::{Environment, Front, Metrics, Settings, Shared, http, tls};
use weir_program::clock::Clock;
use weir_program::metrics::Registry;
use weir_protocol::key::KeyId;
use weir_protocol::report::Endpoint;
use weir_protocol::{EdgeId, Host, Report};

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

static FRONT: LazyLock<Front> = LazyLock::new(front);

/// A front with one edge and most features enabled.
fn front() -> Front {
    let lifetimes = Lifetimes { timeout: Duration::from_secs(1 << 30), forget_after: Duration::from_secs(1 << 31) };
    let selector = Arc::new(Selector::new(FleetSettings::default(), []));
    let mut fleet = Fleet::new(lifetimes, Arc::clone(&selector));
    // With such a long interval, the report stays fresh while the fuzzer runs.
    let mut report = Report::new(0, 0, Duration::from_secs(3600));
    report.redirect = Host::new("edge1").ok();
    report.endpoints.extend([("http", 8080), ("rtmp", 1936)].map(|(scheme, port)| Endpoint::new(scheme, port)));
    let origin = Origin { source: CLIENT.ip(), key_id: KeyId([0; 4]), duplicate: None };
    fleet.apply(EdgeId([1; 16]), &report, origin, Moment::from(Time::ORIGIN));
    let mut settings = Settings { hop_mark: Some("hop".to_owned()), ..Settings::default() };
    settings.http.prefixes = vec!["/live/".to_owned()];
    settings.http.server_info = ServerInfo::Everyone;
    settings.limits.repeats.max = None;
    let environment = Environment {
        fleet: Arc::new(arc_swap::ArcSwap::from_pointee(fleet.take_snapshot().unwrap_or_default())),
        selector,
        zones: Arc::default(),
        clock: Clock::start(),
        metrics: Metrics::new(&Registry::default()),
        relayed: Arc::new(RelaySessions::new(1)),
        listening: Vec::new(),
        tls: None,
        edge_tls: tls::edge::client_config(None).expect("the system has certificate authorities"),
    };
    Front::new(Arc::new(Shared::new(settings, environment)), 1)
}

fuzz_target!(|input: &[u8]| {
    let mut answer = Vec::new();
    match http::respond(&FRONT, CLIENT, input, DATE, &mut answer) {
        Some(length) => {
            assert!(length <= input.len());
            check(&answer);
        }
        None => assert!(answer.is_empty()),
    }
    let Ok(text) = str::from_utf8(input) else { return };
    for pathway in [None, Some("a")] {
        let steering = Steering { server_uri: "/steering/hls", pathway };
        if let Ok(once) = playlist::add_steering(text, steering) {
            assert_eq!(
                playlist::add_steering(&once, steering).as_ref(),
                Ok(&once),
                "a second call changes the playlist"
            );
        }
    }
});

fn check(answer: &[u8]) {
    let text = str::from_utf8(answer).expect("a response is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a response has a complete head");
    let mut lines = head.split("\r\n");
    assert!(lines.next().is_some_and(|line| line.starts_with("HTTP/1.")));
    let mut names = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header has a name and a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{line}");
        assert!(value.bytes().all(|byte| byte >= b' ' && byte != 0x7f), "{line:?}");
        assert!(!names.contains(&name), "duplicate {name}");
        names.push(name);
        match name {
            "Location" => assert!(value.starts_with("http://edge1:8080/"), "{line}"),
            "Content-Length" => assert!(body.is_empty() || value == body.len().to_string(), "{line}"),
            _ => {}
        }
    }
    assert!(names.contains(&"Date"));
}
