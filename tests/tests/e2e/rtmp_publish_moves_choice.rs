//! Publishers count as load of an edge: the nginx-rtmp probe reports them, and the choice moves to another edge.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::{ask, publish};
use weir_tests::edges::NginxRtmp;

/// Enough to outweigh the few assignments between two reports.
const STREAMS: usize = 4;

#[test]
fn publishing_to_one_edge_moves_the_choice_to_the_other() {
    let balancer = Balancer::start();
    let edges = [NginxRtmp::start(), NginxRtmp::start()];
    let _agents = [0, 1].map(|index: usize| {
        let edge = &edges[index];
        let agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port());
        agent.nginx_rtmp(&edge.status_url()).start()
    });
    balancer.await_running(2);
    let load_reaches = |edge: &NginxRtmp, load: usize| {
        balancer.await_fleet(&format!("{load} connections on {}", edge.address()), |fleet| {
            let edge = fleet.iter().find(|info| info.redirect == edge.address().to_string());
            edge.is_some_and(|info| info.connect_count == load as u64)
        });
    };
    let urls = |edge: &NginxRtmp, prefix: &str, streams: usize| -> Vec<String> {
        (0..streams).map(|number| edge.stream_url(&format!("{prefix}{number}"))).collect()
    };

    let first = publish(&urls(&edges[0], "first", STREAMS));
    load_reaches(&edges[0], STREAMS);
    assert_eq!([ask(&balancer), ask(&balancer)], [edges[1].address().to_string(), edges[1].address().to_string()]);

    let _second = publish(&urls(&edges[1], "second", 2 * STREAMS));
    load_reaches(&edges[1], 2 * STREAMS);
    assert_eq!([ask(&balancer), ask(&balancer)], [edges[0].address().to_string(), edges[0].address().to_string()]);

    drop(first);
    load_reaches(&edges[0], 0);
    assert_eq!(ask(&balancer), edges[0].address().to_string());
}
