//! HLS through `/redirect/…`: the balancer redirects one request, and the rest of the session is served by the edge.

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::Balancer;
use weir_tests::clients::{fetch, play_seconds};
use weir_tests::edges::HttpOrigin;

#[test]
fn ffmpeg_plays_live_hls_from_the_edge_after_one_redirect() {
    let balancer = Balancer::start();
    let origin = HttpOrigin::start();
    let agent = AgentBuilder::of(&balancer).address(origin.address()).endpoint("http", origin.port());
    let _agent = agent.start();
    balancer.await_running(1);

    let _ = play_seconds(&balancer.url("http", "/redirect/live/camera/master.m3u8"), 4).expect_success();

    let requests = origin.requests();
    let count = |matches: &dyn Fn(&str) -> bool| requests.iter().filter(|request| matches(request)).count();
    assert_eq!(count(&|request| request == "/live/camera/master.m3u8"), 1, "{requests:?}");
    assert!(count(&|request| request == "/live/camera/media.m3u8") > 1, "the playlist is not reloaded: {requests:?}");
    assert!(count(&|request| request.ends_with(".ts")) >= 3, "too few segments: {requests:?}");
    assert_eq!(balancer.assignments("http"), 1.0, "one redirect per session");
}

#[test]
fn the_redirect_keeps_path_and_query() {
    let balancer = Balancer::start();
    let agent = AgentBuilder::of(&balancer).endpoint("http", 8080).start();
    balancer.await_running(1);
    let path = "/live/camera/master.m3u8?token=a%2Fb&x=1";
    let url = balancer.url("http", &format!("/redirect{path}"));
    for (options, status) in [(&[][..], 302), (&["--head"], 302), (&["--request", "POST", "--data", "x"], 307)] {
        let answer = fetch(&url, options);
        assert_eq!(answer.status, status, "{options:?}: {answer:?}");
        assert_eq!(answer.location, format!("http://{}:8080{path}", agent.address), "{options:?}");
    }
}
