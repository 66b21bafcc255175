//! A session that content steering moves while it plays.

use std::fs;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::{Balancer, folder};
use weir_tests::binaries;
use weir_tests::clients::{Browser, fetch};
use weir_tests::edges::HttpOrigin;
use weir_tests::process;
use weir_tests::wait::PATIENCE;

use crate::row::Row;
use crate::stage::{INTERVAL, LOAD};

/// Segments after which a session counts as settled.
const SETTLED: usize = 3;

/// hls.js plays at the idle edge, and goes on playing at the other edge when its own is drained.
pub(crate) fn perform(row: &Row) -> Result<String, String> {
    let balancer = Balancer::with_config(row.mode.config());
    let edges = HttpOrigin::start_two();
    let agent = |edge: &HttpOrigin, load| {
        let agent = AgentBuilder::of(&balancer).address(edge.address()).endpoint("http", edge.port()).load(load);
        agent.interval(INTERVAL).start()
    };
    let agents = [agent(&edges[0], 0), agent(&edges[1], LOAD)];
    balancer.await_running(2);
    for (edge, agent) in edges.iter().zip(&agents) {
        edge.add_playlist("steered.m3u8", &steered(&balancer, edge, agent));
    }
    let [own, other] = &edges;

    let browser = Browser::play(&balancer.url("http", "/redirect/live/camera/steered.m3u8"));
    browser.await_reports("playback", |reports| segments_of(own, reports) >= SETTLED)?;
    if segments_served(other) > 0 {
        return Err(format!("playback at the other edge before the drain: {:?}", other.requests()));
    }
    balancer.command(&agents[0].guid(), "drain");
    browser.await_reports("playback at the other edge", |reports| segments_of(other, reports) >= SETTLED)?;
    let served = segments_served(own);
    let more = segments_of(other, &browser.reports()) + SETTLED;
    browser.await_reports("continued playback at the other edge", |reports| segments_of(other, reports) >= more)?;
    // One request may have been in flight.
    if segments_served(own) > served + 1 {
        return Err(format!("playback at the old edge goes on: {:?}", own.requests()));
    }
    Ok(format!("`{}` with media; moved to the other edge when its own was drained", row.stream()))
}

/// The number of segments requested from an edge.
fn segments_served(edge: &HttpOrigin) -> usize {
    edge.requests().iter().filter(|request| request.ends_with(".ts")).count()
}

/// The number of segments of an edge that were played.
fn segments_of(edge: &HttpOrigin, reports: &[String]) -> usize {
    let before = format!("fragment http://{}:{}/", edge.address(), edge.port());
    reports.iter().filter(|report| report.starts_with(&before)).count()
}

/// The edge's playlist with the content steering tag.
fn steered(balancer: &Balancer, edge: &HttpOrigin, agent: &Agent) -> String {
    let folder = folder();
    let file = folder.path().join("master.m3u8");
    let url = format!("http://{}:{}/live/camera/master.m3u8", edge.address(), edge.port());
    fs::write(&file, fetch(&url, &[]).body).expect("write the playlist");
    let mut shell = process::command("sh");
    shell.args(["-c", "exec \"$0\" add-steering --server-uri \"$1\" --pathway \"$2\" < \"$3\""]);
    shell.arg(binaries::balancer()).arg(balancer.url("http", "/steering/hls")).arg(agent.guid()).arg(file);
    process::run(shell, PATIENCE).expect_success().stdout
}
