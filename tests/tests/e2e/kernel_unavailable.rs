//! If kernel mode is unavailable, one line says so, and clients are still redirected, except with `only` in `[kernel]`.
//! The balancer runs without privileges here, so that kernel mode is unavailable wherever this test runs.

use std::fs;

use weir_tests::balancer::folder;
use weir_tests::binaries;
use weir_tests::http;
use weir_tests::process::{Process, complete_lines, run, unprivileged_command};
use weir_tests::wait::{PATIENCE, eventually};

const SERVICE: &str =
    "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";

/// Returns a command with this configuration, in a world-writable folder.
fn balancer(state: &tempfile::TempDir, configuration: &str) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).expect("write to the state folder");
    let file = state.path().join("weir.toml");
    fs::write(&file, configuration).expect("write to the state folder");
    let mut command = unprivileged_command(binaries::balancer());
    command.arg("--config").arg(file).arg("--state").arg(state.path().join("state"));
    command.args(["--reports", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command
}

#[test]
fn kernel_only_mode_fails_with_one_line_and_exit_code_69() {
    let state = folder();
    let finished = run(balancer(&state, &format!("[kernel]\nonly = true\n{SERVICE}")), PATIENCE);
    assert_eq!(finished.status.code(), Some(69), "{finished:?}");
    // Except for informational messages, such as those about the open file limit.
    let complaints: Vec<&str> = finished.stderr.lines().filter(|line| !line.contains(" INFO ")).collect();
    let [complaint] = complaints[..] else { panic!("{complaints:?}") };
    assert!(complaint.starts_with("weir-balancer: kernel mode unavailable: "), "{complaint}");
}

#[test]
fn kernel_only_mode_rejects_listen_addresses() {
    let state = folder();
    let mut command = balancer(&state, &format!("[kernel]\nonly = true\n{SERVICE}"));
    command.args(["--listen", "127.0.0.1:0"]);
    let finished = run(command, PATIENCE);
    assert_eq!(finished.status.code(), Some(64), "{finished:?}");
    assert!(finished.stderr.contains("--listen conflicts with `only` in [kernel]"), "{finished:?}");
}

#[test]
fn redirects_continue_and_log_health_and_metrics_report_it() {
    let state = folder();
    let mut command = balancer(&state, SERVICE);
    command.args(["--listen", "127.0.0.1:0"]);
    let process = Process::start(command);
    let address = |prefix: &str| {
        process.await_output(&process.stdout, prefix, |text| {
            let rest = complete_lines(text).find_map(|line| line.strip_prefix(prefix))?;
            rest.split(' ').next()?.parse().ok()
        })
    };
    let clients = address("listening on ");
    let admin = address("admin on http://");
    let says = "kernel mode unavailable: ";
    process.await_output(&process.stderr, "that there is no kernel mode", |text| text.contains(says).then_some(()));
    let health = eventually("health says so", PATIENCE, || {
        let answer = http::get(admin, "/healthz").map_err(|error| error.to_string())?;
        if answer.body.contains(says) { Ok(answer) } else { Err(answer.body) }
    });
    assert_eq!(health.status, 200, "the balancer still redirects");
    assert!(http::get(admin, "/metrics").unwrap().body.contains("\nweir_kernel_up 0\n"));
    assert!(http::get(clients, "/loadbalancer").is_ok(), "clients are answered");
}
