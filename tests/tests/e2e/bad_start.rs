//! Invalid configurations fail at startup, with a message that says what to change.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use weir_tests::balancer::{Balancer, folder};
use weir_tests::process::{self, Finished, run};
use weir_tests::wait::PATIENCE;
use weir_tests::{agent, balancer, binaries};

/// `EX_USAGE` of sysexits.h: the configuration is wrong.
const USAGE: i32 = 64;
/// `EX_UNAVAILABLE`: a required resource is not available.
const UNAVAILABLE: i32 = 69;

/// Asserts that a command fails with this exit code and a line that contains all of these words.
#[track_caller]
fn assert_fails(mut command: Command, arguments: &[&str], code: i32, words: &[&str]) -> Finished {
    command.args(arguments);
    let finished = run(command, PATIENCE);
    assert_eq!(finished.status.code(), Some(code), "{arguments:?}: {finished:?}");
    let clear = finished.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(clear, "{arguments:?}: no line has {words:?}: {}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    finished
}

#[track_caller]
fn assert_one_line(finished: &Finished) {
    assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{}", finished.stderr);
}

const ANYWHERE: [&str; 6] = ["--listen", "127.0.0.1:0", "--reports", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

#[test]
fn a_port_in_use_is_named() {
    let (listener, socket) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (tcp, udp) = (listener.local_addr().unwrap().to_string(), socket.local_addr().unwrap().to_string());
    for (position, taken) in [(1, &tcp), (3, &udp), (5, &tcp)] {
        let mut arguments = ANYWHERE;
        arguments[position] = taken;
        let state = folder();
        assert_fails(balancer::command(&state), &arguments, UNAVAILABLE, &[taken]);
    }
}

#[test]
fn a_second_balancer_cannot_share_the_ports_of_the_first() {
    // Its workers share the port with SO_REUSEPORT, which would allow a second balancer to share it as well.
    let first = Balancer::start();
    let [clients, reports, admin] = [first.clients, first.reports, first.admin].map(|address| address.to_string());
    for (position, taken) in [(1, &clients), (3, &reports), (5, &admin)] {
        let mut arguments = ANYWHERE;
        arguments[position] = taken;
        let state = folder();
        assert_fails(balancer::command(&state), &arguments, UNAVAILABLE, &[taken]);
    }
    assert!(!first.process.has_ended());
}

#[test]
fn an_unknown_key_is_rejected_with_the_line_number() {
    let state = folder();
    let file = state.path().join("weir.toml");
    fs::write(&file, "[limits]\ndecision_timeout = \"1s\"\nno_such_key = 1\n").unwrap();
    let file = file.to_str().unwrap();
    let check = process::command(binaries::balancer());
    for (command, option) in [(check, "check-config"), (balancer::command(&state), "--config")] {
        let finished = assert_fails(command, &[option, file], USAGE, &[file]);
        // The line number and the text, anywhere in the message.
        assert!(finished.stderr.contains('3') && finished.stderr.contains("no_such_key"), "{}", finished.stderr);
    }
}

#[test]
fn a_valid_configuration_is_accepted() {
    let state = folder();
    let file = state.path().join("weir.toml");
    fs::write(&file, "[limits]\ndecision_timeout = \"1s\"\n").unwrap();
    let mut command = process::command(binaries::balancer());
    command.arg("check-config").arg(file);
    let _ = run(command, PATIENCE).expect_success();
}

#[test]
fn unreadable_files_are_named() {
    let state = folder();
    let missing = state.path().join("missing");
    let missing = missing.to_str().unwrap();
    // Root can read files regardless of their mode, but no user can read a folder as a file.
    let a_folder = state.path().to_str().unwrap();
    for file in [missing, a_folder] {
        for arguments in [["--key-file", file], ["--config", file]] {
            let arguments = [&ANYWHERE[..], &arguments].concat();
            assert_one_line(&assert_fails(balancer::command(&state), &arguments, USAGE, &[file]));
        }
        let arguments = ["--target", "127.0.0.1:9", "--redirect-address", "127.0.0.1", "--key-file", file];
        assert_one_line(&assert_fails(agent::command(&state), &arguments, USAGE, &[file]));
        let arguments = ["--targets-file", file, "--redirect-address", "127.0.0.1"];
        assert_one_line(&assert_fails(agent::command(&state), &arguments, USAGE, &[file]));
    }
}

#[test]
fn a_key_file_without_a_valid_key_is_rejected() {
    let state = folder();
    let file = state.path().join("not-a-key");
    fs::write(&file, "too short\n").unwrap();
    let file = file.to_str().unwrap();
    let arguments = [&ANYWHERE[..], &["--key-file", file]].concat();
    assert_one_line(&assert_fails(balancer::command(&state), &arguments, USAGE, &[file]));
    let arguments = ["--target", "127.0.0.1:9", "--redirect-address", "127.0.0.1", "--key-file", file];
    assert_one_line(&assert_fails(agent::command(&state), &arguments, USAGE, &[file]));
}

#[test]
fn invalid_arguments_are_named() {
    let agent = |invalid: &[&str], word: &str| {
        let state = folder();
        let key = state.path().join("key");
        fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        let valid = ["--key-file", key.to_str().unwrap(), "--redirect-address", "127.0.0.1"];
        assert_fails(agent::command(&state), &[&valid[..], invalid].concat(), USAGE, &[word]);
    };
    agent(&[], "target");
    agent(&["--target", "127.0.0.1:"], "127.0.0.1:");
    agent(&["--target", "127.0.0.1:99999"], "99999");
    let with_target = |option: &str, value: &str| agent(&["--target", "127.0.0.1:9", option, value], value);
    with_target("--interval", "0s");
    with_target("--interval", "soon");
    with_target("--endpoint", "rtmp//nowhere");
    with_target("--probe", "no-such-probe");
    with_target("--port", "70000");
    for nowhere in ["0.0.0.0", "::", "224.0.0.1", "_", "ADDRESS_OF_THE_EDGE"] {
        let state = folder();
        let key = state.path().join("key");
        fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        let arguments = ["--key-file", key.to_str().unwrap(), "--target", "127.0.0.1:9", "--redirect-address", nowhere];
        assert_one_line(&assert_fails(agent::command(&state), &arguments, USAGE, &["--redirect-address", nowhere]));
    }
    agent(&["--target", "127.0.0.1:9", "--no-such-option"], "--no-such-option");

    let state = folder();
    for arguments in [["--listen", "nowhere"], ["--reports", "127.0.0.1:x"], ["--admin", "127.0.0.1:70000"]] {
        assert_fails(balancer::command(&state), &arguments, USAGE, &[arguments[1]]);
    }
}
