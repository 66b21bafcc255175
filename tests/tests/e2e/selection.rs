//! Edge selection, and the reasons for it.

use std::fs;

use weir_balancer::geoip::writer;
use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::flash;
use weir_tests::http::{self, Answer};
use weir_tests::json;
use weir_tests::wait::{PATIENCE, until};

fn get(balancer: &Balancer, path: &str) -> Answer {
    http::get(balancer.clients, path).expect("a response")
}

/// Returns the host and the reason of a redirect.
fn redirected(balancer: &Balancer, path: &str) -> (String, String) {
    let answer = get(balancer, path);
    let location = answer.header("Location").unwrap_or_else(|| panic!("{answer:?}"));
    let host = location.trim_start_matches("http://").split([':', '/']).next().unwrap_or_default();
    (host.to_owned(), answer.header("Weir-Reason").unwrap_or_default().to_owned())
}

fn to_edge(agent: &Agent, reason: &str) -> (String, String) {
    (agent.address.to_string(), reason.to_owned())
}

const STREAM: &str = "/redirect/live/cam1/index.m3u8";

#[test]
fn the_least_utilised_edge_gets_the_client_whatever_its_capacity() {
    let balancer = Balancer::start();
    let _small = AgentBuilder::of(&balancer).max_connections(10).load(5).start();
    let large = AgentBuilder::of(&balancer).max_connections(100).load(20).start();
    balancer.await_running(2);
    for _ in 0..5 {
        assert_eq!(redirected(&balancer, STREAM), to_edge(&large, "policy"));
    }
    assert_eq!(balancer.metrics().sum("weir_assignments_total", &[("reason", "policy"), ("protocol", "http")]), 5.0);
}

#[test]
fn viewers_of_a_stream_are_kept_on_one_edge() {
    let balancer = Balancer::with_config("[selection]\naffinity = true\n");
    let agents: Vec<_> = (0..4).map(|_| AgentBuilder::of(&balancer).max_connections(1000).load(200).start()).collect();
    balancer.await_running(agents.len());
    // The mean utilisation is known only after the next sweep over all edges.
    let other = "/redirect/live/other/index.m3u8";
    until("affinity is in effect", PATIENCE, || redirected(&balancer, other).1.starts_with("affinity"));
    // The tolerance of affinity is 2 % of 200 sessions plus four: these few clients stay below it.
    let (home, _) = redirected(&balancer, STREAM);
    // HLS and RTMP-style paths denote the same stream.
    for path in [STREAM, "/redirect/live/cam1.m3u8", "/redirect/live/cam1/720p/1.ts"] {
        assert_eq!(redirected(&balancer, path), (home.clone(), "affinity-warm".to_owned()), "{path}");
    }
    let homes = (0..40).map(|stream| redirected(&balancer, &format!("/redirect/live/stream{stream}/index.m3u8")));
    let homes: std::collections::BTreeSet<_> = homes.map(|(host, _)| host).collect();
    assert!(homes.len() > 1, "streams are spread over the edges");
}

#[test]
fn clients_stay_in_their_zone_while_it_has_an_edge_for_them() {
    let zones = "[[zone]]\nname = \"here\"\nnetworks = [\"127.0.0.0/8\"]\n\
                 [[zone]]\nname = \"there\"\nnetworks = [\"192.0.2.0/24\"]\n";
    let balancer = Balancer::with_config(zones);
    let here = AgentBuilder::of(&balancer).zone("here").load(30).start();
    let there = AgentBuilder::of(&balancer).zone("there").start();
    balancer.await_running(2);
    assert_eq!(redirected(&balancer, STREAM), to_edge(&here, "policy"));
    balancer.command(&here.guid(), "pause");
    balancer.await_running(1);
    assert_eq!(redirected(&balancer, STREAM), to_edge(&there, "spill-zone"));
}

/// Returns a database that assigns the loopback addresses to this country.
fn database(country: &str) -> Vec<u8> {
    let mut database = writer::Database::default();
    database.add("127.0.0.0/8".parse().expect("a network"), country, "EU");
    database.to_bytes(24)
}

#[test]
fn the_country_database_is_reloaded_on_sighup() {
    let folder = folder();
    let file = folder.path().join("countries.mmdb");
    fs::write(&file, database("DE")).expect("write the database");
    let config = format!(
        "[geoip]\nfile = {file:?}\n[[zone]]\nname = \"de\"\ncountries = [\"DE\"]\n\
         [[zone]]\nname = \"fr\"\ncountries = [\"FR\"]\n"
    );
    let balancer = Balancer::with_config(&config);
    let german = AgentBuilder::of(&balancer).zone("de").load(30).start();
    let french = AgentBuilder::of(&balancer).zone("fr").load(60).start();
    balancer.await_running(2);
    assert_eq!(redirected(&balancer, STREAM), to_edge(&german, "policy"));
    let next = folder.path().join("next.mmdb");
    fs::write(&next, database("FR")).expect("write the database");
    fs::rename(&next, &file).expect("replace the database");
    balancer.process.send_sighup();
    until("the new database is in use", PATIENCE, || redirected(&balancer, STREAM) == to_edge(&french, "policy"));
    fs::write(&file, "no database").expect("overwrite the database");
    balancer.process.send_sighup();
    until("the log reports the failed reload", PATIENCE, || {
        balancer.process.stderr.text().contains("GeoIP reload failed; keeping current database")
    });
    assert_eq!(redirected(&balancer, STREAM), to_edge(&french, "policy"));
}

#[test]
fn clients_that_no_edge_can_take_go_to_an_overflow_target_of_their_protocol() {
    let overflow = "[selection]\noverflow = [\"http://cdn.example.com/weir\", \"rtmp://backup.example.com\"]\n";
    let balancer = Balancer::with_config(overflow);
    let answer = get(&balancer, "/redirect/live/cam1/index.m3u8?token=1");
    let location = "http://cdn.example.com/weir/live/cam1/index.m3u8?token=1";
    assert_eq!((answer.status, answer.header("Location")), (302, Some(location)));
    assert_eq!(answer.header("Weir-Reason"), Some("overflow"));
    assert_eq!(get(&balancer, "/loadbalancer").body, "redirect=cdn.example.com");
    let url = balancer.url("rtmp", "/live");
    let (mut connection, application) = flash::open(&url).expect("a connection");
    let rejection = flash::ask(&mut connection, &url, &application).expect("an answer");
    let text = format!("{rejection:?}");
    assert!(text.contains("rtmp://backup.example.com/live") || text.contains("rtmp://backup.example.com:"), "{text}");
    assert_eq!(balancer.metrics().sum("weir_assignments_total", &[("reason", "overflow")]), 3.0);
}

#[test]
fn clients_of_a_full_edge_are_refused_with_the_reason() {
    let balancer = Balancer::start();
    let agent = AgentBuilder::of(&balancer).max_connections(8).load(6).start();
    balancer.await_running(1);
    until("its load is reported", PATIENCE, || balancer.edges()[0].connections == Some(6));
    assert_eq!([(); 2].map(|()| redirected(&balancer, STREAM)), [(); 2].map(|()| to_edge(&agent, "policy")));
    // Neither client has connected to the edge, which the balancer cannot know yet.
    let answer = get(&balancer, STREAM);
    assert_eq!((answer.status, answer.header("Weir-Reason")), (503, Some("refused-full")));
    assert_eq!(answer.body, "Every edge is full.\n");
    until("a report shows that no client connected", PATIENCE, || get(&balancer, STREAM).status == 302);
}

#[test]
fn explaining_a_choice_does_not_count_as_an_assignment() {
    let balancer = Balancer::start();
    let running = AgentBuilder::of(&balancer).load(3).start();
    let paused = AgentBuilder::of(&balancer).start();
    balancer.await_running(2);
    balancer.command(&paused.guid(), "pause");
    balancer.await_running(1);
    let path = "explain?client=192.0.2.1&protocol=rtsp&stream=live/cam1";
    assert_eq!(balancer.api("GET", path, "").status, 401);
    let answer = balancer.api("GET", path, &balancer.authorization());
    assert_eq!(answer.status, 200, "{answer:?}");
    let explained = json::parse(&answer.body);
    assert_eq!((&explained["reason"], &explained["edge"]), (&"policy".into(), &running.guid().into()));
    let excluded = |agent: &Agent| {
        let edges = explained["edges"].as_array().expect("edges");
        let edge = edges.iter().find(|edge| edge["id"] == agent.guid()).expect("the edge");
        edge["excluded"].as_str().map(str::to_owned)
    };
    assert_eq!((excluded(&running), excluded(&paused)), (None, Some("paused".to_owned())));
    assert!(balancer.edges().iter().all(|edge| edge.assignments == Some(0)));
    let invalid = balancer.api("GET", "explain?client=nobody", &balancer.authorization());
    assert_eq!(invalid.status, 400, "{invalid:?}");
}

#[test]
fn an_isolated_balancer_keeps_the_last_state() {
    let balancer = Balancer::with_config("[reports]\ntimeout = \"1500ms\"\n");
    let agents: Vec<_> = (0..4).map(|_| AgentBuilder::of(&balancer).start()).collect();
    balancer.await_running(agents.len());
    agents.iter().for_each(|agent| agent.process.suspend());
    until("the balancer considers itself isolated", PATIENCE, || balancer.metrics().sum("weir_isolated", &[]) == 1.0);
    assert_eq!(balancer.metrics().sum("weir_edges", &[("state", "running")]), 4.0);
    assert_eq!(get(&balancer, STREAM).status, 302);
    assert!(balancer.process.stderr.text().contains("isolated, keeping their last state"));
    agents.iter().for_each(|agent| agent.process.resume());
    until("reports arrive again", PATIENCE, || balancer.metrics().sum("weir_isolated", &[]) == 0.0);
    balancer.await_running(agents.len());
}
