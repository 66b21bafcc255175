//! The checks of kernel mode, asked by hand of real media servers.

use weir_tests::binaries;
use weir_tests::edges::{GstRtsp, HttpOrigin, NginxRtmp};
use weir_tests::loopback;
use weir_tests::process::{self, Finished, run};
use weir_tests::wait::PATIENCE;

/// What is said of a server, and the exit code.
#[track_caller]
fn check(arguments: &[&str], server: &str) -> (Option<i32>, Finished) {
    let mut command = process::command(binaries::balancer());
    command.arg("check-server").args(arguments).arg(server);
    let finished = run(command, PATIENCE);
    (finished.status.code(), finished)
}

#[track_caller]
fn works(arguments: &[&str], server: &str) {
    let (code, finished) = check(arguments, server);
    assert_eq!(code, Some(0), "{arguments:?}: {finished:?}");
    assert!(
        finished.stdout.starts_with(&format!("{server}: ")) && finished.stdout.lines().count() == 1,
        "{finished:?}"
    );
}

#[track_caller]
fn fails(arguments: &[&str], server: &str, reason: &str) {
    let (code, finished) = check(arguments, server);
    assert_eq!(code, Some(1), "{arguments:?}: {finished:?}");
    let named = finished.stderr.contains(server) && finished.stderr.contains(&format!("({reason})"));
    assert!(named && finished.stderr.lines().count() == 1, "{finished:?}");
}

#[test]
fn an_rtsp_server_is_asked_for_its_options_and_for_a_stream() {
    let edge = GstRtsp::serving("/live/camera");
    let server = format!("{}:{}", edge.address, edge.port);
    works(&["--kind", "rtsp"], &server);
    works(&["--kind", "rtsp", "--path", "/live/camera", "--receive", "m=video"], &server);
    fails(&["--kind", "rtsp", "--path", "/live/camera", "--receive", "m=audio"], &server, "content");
    fails(&["--kind", "rtsp", "--path", "/live/nothing"], &server, "status");
    works(&["--kind", "rtsp", "--path", "/live/nothing", "--codes", "404"], &server);
    works(&["--kind", "tcp"], &server);
    fails(&["--kind", "rtmp"], &server, "malformed");
}

#[test]
fn an_http_server_is_asked_for_a_page() {
    let origin = HttpOrigin::start();
    let server = format!("{}:{}", origin.address(), origin.port());
    works(&["--kind", "http", "--path", "/live/camera/master.m3u8", "--receive", "#EXTM3U"], &server);
    fails(&["--kind", "http", "--path", "/live/camera/missing.m3u8"], &server, "status");
    fails(&["--kind", "rtsp"], &server, "malformed");
}

#[test]
fn an_rtmp_server_shakes_hands() {
    let edge = NginxRtmp::start();
    works(&["--kind", "rtmp"], &format!("{}:{}", edge.address(), edge.rtmp_port()));
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let address = loopback::address();
    let server = format!("{address}:{}", loopback::port(address));
    for kind in ["tcp", "udp", "rtsp", "http", "rtmp"] {
        fails(&["--kind", kind], &server, "refused");
    }
    let (code, finished) = check(&["--path", "/"], &server);
    assert_eq!(code, Some(64), "{finished:?}");
    let (code, finished) = check(&["--source", "192.0.2.1"], &server);
    assert_eq!(code, Some(69), "{finished:?}");
}
