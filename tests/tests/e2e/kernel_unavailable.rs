//! Where the kernel's services are not to be had, one line says so; and clients are redirected all the same, unless the kernel is
//! all that was asked for. The balancer runs without rights here: so it is refused wherever this test runs.

use std::fs;

use weir_tests::balancer::folder;
use weir_tests::binaries;
use weir_tests::http;
use weir_tests::process::{Process, command_without_rights, complete_lines, run};
use weir_tests::wait::{PATIENCE, eventually};

const SERVICE: &str =
    "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";

/// A command with this configuration, in a folder that anybody may write in.
fn balancer(state: &tempfile::TempDir, configuration: &str) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).expect("a folder of our own");
    let file = state.path().join("weir.toml");
    fs::write(&file, configuration).expect("a folder of our own");
    let mut command = command_without_rights(binaries::balancer());
    command.arg("--config").arg(file).arg("--state").arg(state.path().join("state"));
    command.args(["--reports", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command
}

#[test]
fn alone_it_ends_with_one_line_and_exit_code_69() {
    let state = folder();
    let finished = run(balancer(&state, &format!("[kernel]\nonly = true\n{SERVICE}")), PATIENCE);
    assert_eq!(finished.status.code(), Some(69), "{finished:?}");
    // Besides what the log says of this machine's limits.
    let complaints: Vec<&str> = finished.stderr.lines().filter(|line| !line.contains(" INFO ")).collect();
    let [complaint] = complaints[..] else { panic!("{complaints:?}") };
    assert!(complaint.starts_with("weir-balancer: kernel mode is not to be had: "), "{complaint}");
}

#[test]
fn an_address_to_listen_at_is_refused_beside_only() {
    let state = folder();
    let mut command = balancer(&state, &format!("[kernel]\nonly = true\n{SERVICE}"));
    command.args(["--listen", "127.0.0.1:0"]);
    let finished = run(command, PATIENCE);
    assert_eq!(finished.status.code(), Some(64), "{finished:?}");
    assert!(finished.stderr.contains("--listen and `only` in [kernel] contradict"), "{finished:?}");
}

#[test]
fn beside_redirects_it_goes_on_and_says_so_in_log_health_and_metrics() {
    let state = folder();
    let mut command = balancer(&state, SERVICE);
    command.args(["--listen", "127.0.0.1:0"]);
    let process = Process::start(command);
    let address = |before: &str| {
        process.await_output(&process.stdout, before, |text| {
            let rest = complete_lines(text).find_map(|line| line.strip_prefix(before))?;
            rest.split(' ').next()?.parse().ok()
        })
    };
    let clients = address("listening on ");
    let admin = address("admin on http://");
    let says = "kernel mode is not to be had: ";
    process.await_output(&process.stderr, "that there is no kernel mode", |text| text.contains(says).then_some(()));
    let health = eventually("health says so", PATIENCE, || {
        let answer = http::get(admin, "/healthz").map_err(|error| error.to_string())?;
        if answer.body.contains(says) { Ok(answer) } else { Err(answer.body) }
    });
    assert_eq!(health.status, 200, "it still redirects");
    assert!(http::get(admin, "/metrics").unwrap().body.contains("\nweir_kernel_up 0\n"));
    assert!(http::get(clients, "/loadbalancer").is_ok(), "clients are answered");
}
