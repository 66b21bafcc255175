//! `weir-balancer demo` runs everything in one process, is ready quickly, and ends with Ctrl-C.

use std::collections::HashSet;
use std::time::Duration;

use weir_tests::balancer::Balancer;
use weir_tests::clients::ask;
use weir_tests::process::complete_lines;

/// Time limit for an immediate stop on a busy machine.
const STOP_TIME: Duration = Duration::from_secs(2);

#[test]
fn the_demo_is_ready_with_three_edges_and_stops_at_once() {
    let mut demo = Balancer::demo();
    demo.process.await_output(&demo.process.stdout, "ready", |text| {
        complete_lines(text).find(|line| *line == "ready").map(drop)
    });
    // `ready` must be true already, so nothing is awaited here.
    let fleet = demo.server_info();
    assert_eq!(fleet.iter().filter(|edge| edge.status == "RUNNING").count(), 3, "{fleet:?}");
    let edges: HashSet<String> = fleet.into_iter().map(|edge| edge.redirect).collect();
    assert_eq!(edges.len(), 3);
    assert!(edges.contains(&ask(&demo)));
    let ended = demo.process.interrupt(STOP_TIME);
    assert!(ended.status.success(), "{ended:?}");
}
