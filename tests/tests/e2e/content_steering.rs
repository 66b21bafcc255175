//! Content steering moves sessions off edges that drain or fail, and leaves others where they are.

use std::time::Duration;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::binaries;
use weir_tests::clients::fetch;
use weir_tests::edges::HttpOrigin;
use weir_tests::json;
use weir_tests::process;
use weir_tests::wait::{PATIENCE, until};

/// Starts a balancer and three edges with very different loads.
fn three_edges() -> (Balancer, [Agent; 3]) {
    let balancer = Balancer::with_config("[http]\nsteering_ttl = \"2s\"\n");
    let agents = [0, 20, 40].map(|load| AgentBuilder::of(&balancer).load(load).endpoint("http", 8080).start());
    balancer.await_running(3);
    (balancer, agents)
}

/// The state of a player.
struct Session<'a> {
    balancer: &'a Balancer,
    uri: String,
    pathway: String,
    priority: Vec<String>,
    manifest: String,
}

impl<'a> Session<'a> {
    /// Starts a player that has loaded a playlist whose pathway is `pathway`.
    fn start(balancer: &'a Balancer, uri: &str, pathway: &str) -> Self {
        let mut session = Self {
            balancer,
            uri: uri.to_owned(),
            pathway: pathway.to_owned(),
            priority: Vec::new(),
            manifest: String::new(),
        };
        session.reload();
        session
    }

    /// Reloads the steering manifest as hls.js does, and switches to its first pathway.
    fn reload(&mut self) {
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}_HLS_pathway={}&_HLS_throughput=5000000", self.uri, self.pathway);
        let answer = fetch(&self.balancer.url("http", &path), &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.content_type, "application/vnd.apple.steering-list");
        self.manifest = answer.body;
        let manifest = json::parse(&self.manifest);
        assert_eq!((&manifest["VERSION"], &manifest["TTL"]), (&1.into(), &2.into()));
        self.uri = manifest["RELOAD-URI"].as_str().expect("a URI").to_owned();
        self.priority = serde_json::from_value(manifest["PATHWAY-PRIORITY"].clone()).expect("a list of pathways");
        self.pathway = self.priority[0].clone();
    }
}

#[test]
fn a_session_starts_on_the_least_loaded_edge_and_stays_there_when_the_load_changes() {
    let (balancer, mut agents) = three_edges();
    let mut session = Session::start(&balancer, "/steering/hls?app=live&stream=camera", ".");
    let guids = agents.each_ref().map(Agent::guid);
    assert_eq!(session.priority, [&guids[..], &[".".to_owned()]].concat());
    assert!(session.manifest.contains(&format!("\"HOST\":\"{}\"", agents[0].address)), "{}", session.manifest);
    agents[0].connections.set(200);
    until("its edge is the most loaded", PATIENCE, || {
        balancer.server_info().iter().any(|edge| edge.connect_count == 200)
    });
    for _ in 0..3 {
        session.reload();
        assert_eq!(session.priority[..2], [guids[0].clone(), guids[1].clone()]);
    }
    assert_eq!(balancer.assignments("http"), 1.0, "a session is counted once, when it starts");
}

#[test]
fn sessions_leave_edges_that_drain_or_fail() {
    let (balancer, mut agents) = three_edges();
    let mut session = Session::start(&balancer, "/steering/hls", ".");
    let guids = agents.each_ref().map(Agent::guid);
    balancer.command(&guids[0], "drain");
    balancer.await_edge(PATIENCE, "the edge is draining", &guids[0], |edge| edge.state == "draining");
    session.reload();
    // The draining edge comes after the others: it is still a fallback if they all fail.
    assert_eq!(session.priority[..3], [guids[1].clone(), guids[2].clone(), guids[0].clone()]);
    let _ = agents[1].kill();
    balancer.await_edge(PATIENCE + Duration::from_secs(6), "the edge has timed out", &guids[1], |edge| {
        edge.state == "timed-out"
    });
    session.reload();
    assert_eq!(session.priority[0], guids[2]);
    assert!(!session.priority.contains(&guids[1]), "a timed-out edge is listed: {:?}", session.priority);
    assert_eq!(balancer.assignments("http"), 3.0, "a session is counted again when it is moved");
}

#[test]
fn a_session_stays_on_the_edge_that_served_its_playlist() {
    let (balancer, agents) = three_edges();
    let home = agents[2].guid();
    let session = Session::start(&balancer, "/steering/hls", &home);
    assert_eq!(session.pathway, home, "however loaded it is");
    assert_eq!(balancer.assignments("http"), 0.0, "the redirect has already counted it");
    // The others are clones of the playlist's own pathway.
    assert!(session.manifest.contains(&format!("\"BASE-ID\":\"{home}\",\"ID\":\"{}\"", agents[0].guid())));
}

#[test]
fn dash_players_get_ports_and_both_priority_keys() {
    let (balancer, agents) = three_edges();
    let answer = fetch(&balancer.url("http", "/steering/dash?_DASH_pathway=%22alpha%22&_DASH_throughput=1"), &[]);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let manifest = json::parse(&answer.body);
    assert_eq!(manifest["PATHWAY-PRIORITY"][0], agents[0].guid());
    assert_eq!(manifest["PATHWAY-PRIORITY"], manifest["SERVICE-LOCATION-PRIORITY"]);
    assert!(answer.body.contains(&format!("\"HOST\":\"{}:8080\"", agents[0].address)), "{}", answer.body);
}

#[test]
fn without_an_edge_a_player_stays_where_it_is() {
    let balancer = Balancer::with_config("[http]\nsteering_ttl = \"2s\"\n");
    let session = Session::start(&balancer, "/steering/hls", ".");
    assert_eq!(session.priority, ["."]);
}

#[test]
fn the_steering_tag_is_added_only_to_multivariant_playlists() {
    let origin = HttpOrigin::start();
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    let save = |name: &str| {
        let url = format!("http://{}:{}/live/camera/{name}", origin.address(), origin.port());
        std::fs::write(file(name), fetch(&url, &[]).body).expect("write the playlist");
    };
    let add = |name: &str| {
        let mut shell = process::command("sh");
        let command =
            "exec \"$0\" add-steering --server-uri http://lb.example.com/steering/hls --pathway edge-1 < \"$1\"";
        shell.args(["-c", command]).arg(binaries::balancer()).arg(file(name));
        process::run(shell, PATIENCE)
    };
    save("master.m3u8");
    save("media.m3u8");
    std::fs::write(file("segment.ts"), b"\x47\xff").expect("write the segment");
    let added = add("master.m3u8").expect_success().stdout;
    let mut lines = added.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    let tag = "#EXT-X-CONTENT-STEERING:SERVER-URI=\"http://lb.example.com/steering/hls\",PATHWAY-ID=\"edge-1\"";
    assert_eq!(lines.next(), Some(tag));
    let variant = lines.find(|line| line.starts_with("#EXT-X-STREAM-INF:")).expect("a variant");
    assert!(variant.ends_with(",PATHWAY-ID=\"edge-1\""), "{variant}");
    let refused = add("media.m3u8");
    assert!(refused.status.code() == Some(64) && refused.stderr.contains("media playlist"), "{refused:?}");
    let refused = add("segment.ts");
    assert!(refused.status.code() == Some(64) && refused.stderr.contains("not a playlist"), "{refused:?}");
}
