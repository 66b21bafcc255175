//! SRS edges do not follow a rejected connect, so they are redirected at play.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::srs;
use weir_tests::edges::NginxRtmp;

#[test]
fn an_srs_edge_pulls_from_the_edge_it_is_redirected_to() {
    for config in ["", "[selection]\naffinity = true\n"] {
        let balancer = Balancer::with_config(config);
        let mut edge = NginxRtmp::start();
        let _agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint("rtmp", edge.rtmp_port()).start();
        balancer.await_running(1);
        let _feeder = NginxRtmp::feed(&mut [&mut edge], "camera");
        for query in ["", "?token=abc"] {
            let requested = balancer.url("rtmp", &format!("/live/camera{query}"));
            assert_eq!(srs::pull(&requested).unwrap(), [requested, edge.stream_url(&format!("camera{query}"))]);
        }
        assert_eq!(balancer.assignments("rtmp"), 2.0);
    }
}

#[test]
fn without_an_edge_it_gets_an_error() {
    let balancer = Balancer::start();
    let error = srs::pull(&balancer.url("rtmp", "/live/camera")).unwrap_err().to_string();
    assert!(error.contains("No server is available now."), "{error}");
}
