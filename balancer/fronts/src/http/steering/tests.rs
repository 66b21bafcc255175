use serde_json::{Value, json};
use weir_fleet::testing::{id, report};
use weir_protocol::report::{Endpoint, Status};
use weir_protocol::{Host, Report};

use super::*;
use crate::fixtures::{CLIENT, front_configured};
use crate::http::request::Headers;

fn named(redirect: &str, load: u64, status: Status) -> Report<'_> {
    let mut report = report();
    report.redirect = Host::new(redirect).ok();
    report.load.connections = Some(load);
    report.status = status;
    report.endpoints.push(Endpoint::new("http", 8080));
    report
}

/// A front with the edges 1, 2 and 3, of which the first has the least load.
fn three(first: Status) -> Front {
    let reports =
        [named("edge1", 1, first), named("edge2", 500, Status::Running), named("edge3", 900, Status::Running)];
    front_configured(&reports, |_| {})
}

fn send(front: &Front, format: Format, query: &str) -> Value {
    let request = Request::new("GET", "/steering", Some(query), Headers::default()).unwrap();
    let response = respond(front, CLIENT, &request, format);
    serde_json::from_str(&response.body.parts().concat()).unwrap()
}

fn priority(manifest: &Value) -> Vec<String> {
    let pathways = manifest["PATHWAY-PRIORITY"].as_array().unwrap();
    pathways.iter().map(|pathway| pathway.as_str().unwrap().to_owned()).collect()
}

fn assignments(front: &Front) -> u64 {
    front.snapshot().edges.iter().map(|edge| edge.load.assignments()).sum()
}

fn guids(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|number| id(*number).to_string()).collect()
}

#[test]
fn a_new_session_gets_all_edges_in_order_and_is_counted_once() {
    let front = three(Status::Running);
    let manifest = send(&front, Format::Hls, "_HLS_pathway=.");
    assert_eq!(priority(&manifest), [guids(&[1, 2, 3]), vec![".".to_owned()]].concat());
    assert_eq!(manifest["TTL"], 10);
    assert_eq!(manifest["PATHWAY-CLONES"][0]["URI-REPLACEMENT"], json!({"HOST": "edge1"}));
    assert_eq!(assignments(&front), 1);
    // A player that does not switch gets the same manifest, and is not counted again.
    let reload = manifest["RELOAD-URI"].as_str().unwrap().strip_prefix("/steering?").unwrap();
    let again = send(&front, Format::Hls, &format!("{reload}&_HLS_pathway=."));
    assert_eq!((priority(&again), assignments(&front)), (priority(&manifest), 1));
}

#[test]
fn a_session_stays_on_a_usable_edge_however_loaded() {
    let front = three(Status::Running);
    let manifest = send(&front, Format::Hls, &format!("base=.&_HLS_pathway={}", id(3)));
    assert_eq!(priority(&manifest)[..3], guids(&[3, 1, 2]));
    assert_eq!(assignments(&front), 0);
}

#[test]
fn a_session_leaves_a_draining_edge_and_is_counted_at_the_new_one() {
    for status in [Status::Draining, Status::Paused] {
        let front = three(status);
        let manifest = send(&front, Format::Hls, &format!("base=.&_HLS_pathway={}", id(1)));
        assert_eq!(priority(&manifest)[..3], guids(&[2, 3, 1]), "{status:?}");
        assert_eq!(front.snapshot().edges[1].load.assignments(), 1);
    }
    let stopping = three(Status::Stopping);
    let manifest = send(&stopping, Format::Hls, &format!("base=.&_HLS_pathway={}", id(1)));
    assert_eq!(priority(&manifest), [guids(&[2, 3]), vec![".".to_owned()]].concat());
}

#[test]
fn without_an_edge_a_session_stays_on_its_pathway() {
    let front = front_configured(&[], |_| {});
    assert_eq!(priority(&send(&front, Format::Hls, "")), ["."]);
    let draining = front_configured(&[named("edge1", 1, Status::Draining)], |_| {});
    let manifest = send(&draining, Format::Hls, &format!("base=.&_HLS_pathway={}", id(1)));
    assert_eq!(priority(&manifest), [id(1).to_string(), ".".to_owned()]);
}

#[test]
fn dash_pathways_include_the_port() {
    let front = three(Status::Running);
    let manifest = send(&front, Format::Dash, "_DASH_pathway=%22alpha%22");
    let clone = json!({
        "BASE-ID": "alpha", "ID": id(1).to_string(), "URI-REPLACEMENT": {"HOST": "edge1:8080"}
    });
    assert_eq!(manifest["PATHWAY-CLONES"][0], clone);
    assert_eq!(priority(&manifest)[3], "alpha");
}
