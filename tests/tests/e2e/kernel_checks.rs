//! Health checks of kernel mode, run by hand with `check-server` against real media servers.

use weir_tests::binaries;
use weir_tests::edges::{GstRtsp, HttpOrigin, NginxRtmp};
use weir_tests::loopback;
use weir_tests::process::{self, Finished, run};
use weir_tests::wait::PATIENCE;

/// Runs one check and returns the exit code and the output.
#[track_caller]
fn check(arguments: &[&str], server: &str) -> (Option<i32>, Finished) {
    let mut command = process::command(binaries::balancer());
    command.arg("check-server").args(arguments).arg(server);
    let finished = run(command, PATIENCE);
    (finished.status.code(), finished)
}

#[track_caller]
fn assert_passes(arguments: &[&str], server: &str) {
    let (code, finished) = check(arguments, server);
    assert_eq!(code, Some(0), "{arguments:?}: {finished:?}");
    assert!(
        finished.stdout.starts_with(&format!("{server}: ")) && finished.stdout.lines().count() == 1,
        "{finished:?}"
    );
}

#[track_caller]
fn assert_fails(arguments: &[&str], server: &str, reason: &str) {
    let (code, finished) = check(arguments, server);
    assert_eq!(code, Some(1), "{arguments:?}: {finished:?}");
    let named = finished.stderr.contains(server) && finished.stderr.contains(&format!("({reason})"));
    assert!(named && finished.stderr.lines().count() == 1, "{finished:?}");
}

#[test]
fn rtsp_checks_send_options_or_describe() {
    let edge = GstRtsp::serving("/live/camera");
    let server = format!("{}:{}", edge.address, edge.port);
    assert_passes(&["--kind", "rtsp"], &server);
    assert_passes(&["--kind", "rtsp", "--path", "/live/camera", "--receive", "m=video"], &server);
    assert_fails(&["--kind", "rtsp", "--path", "/live/camera", "--receive", "m=audio"], &server, "content");
    assert_fails(&["--kind", "rtsp", "--path", "/live/nothing"], &server, "status");
    assert_passes(&["--kind", "rtsp", "--path", "/live/nothing", "--codes", "404"], &server);
    assert_passes(&["--kind", "tcp"], &server);
    assert_fails(&["--kind", "rtmp"], &server, "malformed");
}

#[test]
fn http_checks_request_a_page() {
    let origin = HttpOrigin::start();
    let server = format!("{}:{}", origin.address(), origin.port());
    assert_passes(&["--kind", "http", "--path", "/live/camera/master.m3u8", "--receive", "#EXTM3U"], &server);
    assert_fails(&["--kind", "http", "--path", "/live/camera/missing.m3u8"], &server, "status");
    assert_fails(&["--kind", "rtsp"], &server, "malformed");
}

#[test]
fn rtmp_checks_perform_the_handshake() {
    let edge = NginxRtmp::start();
    assert_passes(&["--kind", "rtmp"], &format!("{}:{}", edge.address(), edge.rtmp_port()));
}

#[test]
fn checks_of_a_closed_port_report_refused() {
    let address = loopback::address();
    let server = format!("{address}:{}", loopback::port(address));
    for kind in ["tcp", "udp", "rtsp", "http", "rtmp"] {
        assert_fails(&["--kind", kind], &server, "refused");
    }
    let (code, finished) = check(&["--path", "/"], &server);
    assert_eq!(code, Some(64), "{finished:?}");
    let (code, finished) = check(&["--source", "192.0.2.1"], &server);
    assert_eq!(code, Some(69), "{finished:?}");
}
