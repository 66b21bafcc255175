//! The edges and clients without Weir between them. If these tests fail, the fault is not in Weir.

use std::time::Duration;

use weir_tests::clients::{fetch, flash, play_frames, play_rtsp, play_seconds, publish, srs};
use weir_tests::edges::{GstRtsp, HttpOrigin, NginxRtmp};
use weir_tests::process::{Process, command};
use weir_tests::wait::{PATIENCE, until};

#[test]
fn players_play_from_an_rtsp_edge() {
    let edge = GstRtsp::serving("/live/camera");
    let url = format!("rtsp://{}:{}/live/camera", edge.address, edge.port);
    let _ = play_frames(&url, 2).expect_success();
    play_rtsp(&url, &["protocols=tcp"]).expect("it plays");
    let played = edge.events().iter().filter(|event| *event == "PLAY /live/camera").count();
    assert_eq!(played, 2, "{:?}", edge.events());
}

#[test]
fn an_rtmp_edge_reports_its_clients() {
    let edge = NginxRtmp::start();
    let connect_url = edge.stream_url("").trim_end_matches('/').to_owned();
    let journey = flash::connect(&connect_url).unwrap();
    assert_eq!(journey.code(), "NetConnection.Connect.Success");
    assert_eq!((journey.visited, edge.accepted()), (vec![connect_url], 1));

    let publisher = publish(&[edge.stream_url("one"), edge.stream_url("two")]);
    until("both streams are published", PATIENCE, || {
        fetch(&edge.status_url(), &[]).body.matches("<publishing/>").count() == 2
    });
    let _ = play_frames(&edge.stream_url("one"), 2).expect_success();
    flash::play(&edge.stream_url("one")).unwrap();
    assert_eq!(srs::pull(&edge.stream_url("two")).unwrap(), [edge.stream_url("two")]);
    assert_eq!(edge.accepted(), 6);
    assert_eq!(edge.connects().len(), 6);
    drop(publisher);
}

#[test]
fn players_play_hls_from_an_http_edge() {
    let edge = HttpOrigin::start();
    let url = format!("http://{}:{}/live/camera/master.m3u8", edge.address(), edge.port());
    let _ = play_seconds(&url, 2).expect_success();
    assert_eq!(edge.requests()[0], "/live/camera/master.m3u8");
}

#[test]
fn dropping_a_process_kills_its_children_too() {
    let mut shell = command("sh");
    shell.args(["-c", "sleep 60 & echo $!; wait"]);
    let shell = Process::start(shell);
    let child: u32 = shell.await_output(&shell.stdout, "its child", |text| text.strip_suffix('\n')?.parse().ok());
    let running = || std::path::Path::new(&format!("/proc/{child}/exe")).exists();
    assert!(running());
    drop(shell);
    until("the child has ended", Duration::from_secs(1), || !running());
}
