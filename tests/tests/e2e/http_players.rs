//! HTTP: redirects, prefixes, CORS, the pick API, JW Player and OBS.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::{fetch, play_seconds};
use weir_tests::edges::HttpOrigin;
use weir_tests::http::{self, Answer};
use weir_tests::json;

fn request(balancer: &Balancer, method: &str, path: &str, headers: &str) -> Answer {
    http::send(balancer.clients, method, path, headers).expect("a response")
}

/// Starts a balancer with this configuration, and one edge.
fn balancer_and_edge(config: &str) -> (Balancer, Agent) {
    let balancer = Balancer::with_config(config);
    let agent = AgentBuilder::of(&balancer).endpoint("http", 8080).endpoint("rtmp", 1936).start();
    balancer.await_running(1);
    (balancer, agent)
}

#[test]
fn requests_under_a_prefix_are_redirected_with_their_path() {
    let (balancer, agent) = balancer_and_edge("[http]\nprefixes = [\"/live/\"]\n");
    for path in ["/live/camera/master.m3u8?token=a%2Fb", "/live/"] {
        let answer = fetch(&balancer.url("http", path), &[]);
        assert_eq!((answer.status, answer.location), (302, format!("http://{}:8080{path}", agent.address)));
    }
    assert_eq!(fetch(&balancer.url("http", "/vod/a.m3u8"), &[]).status, 404);
    assert_eq!(fetch(&balancer.url("http", "/live/loadbalancer"), &[]).body, format!("redirect={}", agent.address));
}

#[test]
fn ffmpeg_plays_a_stream_requested_with_type_m3u8() {
    let balancer = Balancer::with_config("[http]\nprefixes = [\"/\"]\n");
    let origin = HttpOrigin::start();
    let agent = AgentBuilder::of(&balancer).address(origin.address()).endpoint("http", origin.port());
    let _agent = agent.start();
    balancer.await_running(1);
    let answer = fetch(&balancer.url("http", "/redirect/live/camera?type=m3u8&token=x"), &[]);
    let expected = format!("http://{}:{}/live/camera/playlist.m3u8?token=x", origin.address(), origin.port());
    assert_eq!(answer.location, expected);
    // This origin's playlist has a different name.
    let _ = play_seconds(&balancer.url("http", "/live/camera/master.m3u8"), 2).expect_success();
    assert_eq!(balancer.assignments("http"), 2.0);
}

#[test]
fn an_application_section_changes_the_redirect() {
    let (balancer, agent) = balancer_and_edge(
        "[[application]]\nname = \"live\"\nprotocol = \"http\"\napp = \"origin\"\nport = 8443\nscheme = \"https\"\n",
    );
    let location = |path| fetch(&balancer.url("http", path), &[]).location;
    assert_eq!(location("/redirect/live/a.m3u8"), format!("https://{}:8443/origin/a.m3u8", agent.address));
    assert_eq!(location("/redirect/vod/a.m3u8"), format!("http://{}:8080/vod/a.m3u8", agent.address));
}

#[test]
fn the_hop_mark_detects_a_redirect_loop() {
    let balancer = Balancer::with_config("[redirect]\nhop_mark = \"hop\"\n[http]\nprefixes = [\"/\"]\n");
    // An edge that is the balancer itself under another name.
    let agent = AgentBuilder::of(&balancer).redirect("localhost").endpoint("http", balancer.clients.port());
    let _agent = agent.start();
    balancer.await_running(1);
    let first = fetch(&balancer.url("http", "/live/a.m3u8?x=1"), &[]);
    assert_eq!(first.location, format!("http://localhost:{}/live/a.m3u8?x=1&hop=1", balancer.clients.port()));
    let (_, path) = first.location.split_once("/live").expect("a path");
    let second = fetch(&balancer.url("http", &format!("/live{path}")), &[]);
    assert_eq!((second.status, second.body.as_str()), (508, "Redirect loop.\n"));
}

#[test]
fn web_pages_of_any_origin_are_allowed_and_preflights_are_answered() {
    let (balancer, agent) = balancer_and_edge("");
    let origin = "Origin: https://site.example\r\n";
    let preflight =
        format!("{origin}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n");
    // A WHIP client posts. A browser sends a preflight first, and does not follow a redirect of the preflight.
    let answer = request(&balancer, "OPTIONS", "/redirect/live/camera/whip", &preflight);
    assert_eq!((answer.status, answer.header("Location")), (204, None));
    assert_eq!(answer.header("Access-Control-Allow-Headers"), Some("content-type"));
    assert!(answer.header("Access-Control-Allow-Methods").is_some_and(|methods| methods.contains("POST")));
    assert_eq!(balancer.assignments("http"), 0.0, "a preflight is not an assignment");
    let redirect = request(&balancer, "POST", "/redirect/live/camera/whip", origin);
    assert_eq!(
        (redirect.status, redirect.header("Location")),
        (307, Some(&*format!("http://{}:8080/live/camera/whip", agent.address)))
    );
    for answer in [answer, redirect, request(&balancer, "GET", "/loadbalancer", origin)] {
        // A browser lets the page read this response, with or without cookies.
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://site.example"), "{answer:?}");
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), Some("true"), "{answer:?}");
    }
    let without_origin = request(&balancer, "GET", "/redirect/live/a.m3u8", "");
    assert_eq!(without_origin.header("Access-Control-Allow-Origin"), Some("*"));
}

#[test]
fn jw_player_gets_a_smil_file_with_an_rtmp_edge() {
    let (balancer, agent) = balancer_and_edge("");
    let answer = fetch(&balancer.url("http", "/smil:live/mp4:camera.smil"), &[]);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/smil+xml"));
    let base = format!("rtmp://{}:1936/live/", agent.address);
    assert_eq!(
        answer.body,
        format!("<smil><head><meta base=\"{base}\"/></head><body><video src=\"mp4:camera\"/></body></smil>")
    );
}

#[test]
fn the_pick_api_returns_an_edge_and_alternatives() {
    let balancer = Balancer::start();
    let agents = [0, 20, 40].map(|load| AgentBuilder::of(&balancer).load(load).endpoint("rtmp", 1936).start());
    balancer.await_running(3);
    let answer = fetch(&balancer.url("http", "/api/v1/pick?protocol=rtmp&app=live&stream=camera"), &[]);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let urls = agents.each_ref().map(|agent| format!("rtmp://{}:1936/live/camera", agent.address));
    let picked = json::parse(&answer.body);
    assert_eq!((&picked["url"], &picked["edge"]), (&urls[0].as_str().into(), &agents[0].guid().into()));
    assert_eq!(picked["alternatives"], serde_json::json!(urls[1..]));
    assert_eq!(picked["reason"], "policy");
    assert_eq!(balancer.assignments("http"), 1.0);

    let refused = fetch(&balancer.url("http", "/api/v1/pick?protocol=rtsp"), &[]);
    assert_eq!((refused.status, refused.content_type.as_str()), (503, "application/json"));
    let body = json::parse(&refused.body);
    assert_eq!(body["reason"], "refused-protocol-not-served");
    assert!(body["advice"].as_str().is_some_and(|advice| advice.contains("again")), "{refused:?}");
    assert_eq!(fetch(&balancer.url("http", "/api/v1/pick?protocol=srt"), &[]).status, 400);
}

/// A request as OBS sends it, derived from its source: OBS itself needs a display.
const OBS: &str = include_str!("../../../balancer/fronts/src/http/fixtures/obs-32-get-client-configuration.json");

#[test]
fn obs_gets_an_edge_in_its_client_configuration() {
    let (balancer, agent) = balancer_and_edge("[limits.http]\nbody = 4096\n");
    let url = balancer.url("http", "/api/v1/obs/GetClientConfiguration?app=studio");
    let post = |body: &str| fetch(&url, &["--header", "Content-Type: application/json", "--data-binary", body]);
    let answer = post(OBS);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let configuration = json::parse(&answer.body);
    assert_eq!(configuration["status"]["result"], "success");
    let endpoint = &configuration["ingest_endpoints"][0];
    assert_eq!(endpoint["protocol"], "RTMP");
    let template = format!("rtmp://{}:1936/studio/{{stream_key}}", agent.address);
    assert_eq!(endpoint["url_template"], template);
    assert_eq!(configuration["encoder_configurations"][0]["width"], 1280);
    assert_eq!(balancer.assignments("http"), 1.0);

    assert_eq!(post("go live").status, 400);
    let oversized = format!("{{\"authentication\": \"{}\"}}", "x".repeat(4096));
    assert_eq!(post(&oversized).status, 413);
    assert_eq!(fetch(&url, &[]).status, 405);
}

#[test]
fn rtmpt_is_refused_at_once() {
    let (balancer, _agent) = balancer_and_edge("[http]\nprefixes = [\"/\"]\n");
    for path in ["/fcs/ident2", "/open/1"] {
        let options = ["--header", "Content-Type: application/x-fcs", "--data-binary", "x"];
        assert_eq!(fetch(&balancer.url("http", path), &options).status, 404, "{path}");
    }
}
