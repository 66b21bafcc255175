//! The first start needs nothing: the key is made, and what to paste on an edge is printed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use weir_tests::agent;
use weir_tests::balancer::{Balancer, folder};
use weir_tests::binaries;
use weir_tests::clients::ask;
use weir_tests::loopback;
use weir_tests::process::{self, Process, complete_lines};
use weir_tests::wait::PATIENCE;

fn key(balancer: &Balancer) -> String {
    fs::read_to_string(balancer.key_file()).expect("a key file in the state folder").trim().to_owned()
}

#[test]
fn a_key_is_made_for_its_owner_only_and_kept() {
    let first = Balancer::start();
    let made = key(&first);
    assert_eq!(made.len(), 44, "32 bytes in base64: {made}");
    let mode = fs::metadata(first.key_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Balancer::start_in(first.stop(), None);
    assert_eq!(key(&second), made, "the second start keeps it");
    assert_ne!(key(&Balancer::start()), made, "another balancer makes another");
}

#[test]
fn the_line_to_paste_makes_an_edge() {
    let balancer = Balancer::start();
    let printed = &balancer.process.stdout;
    let line = balancer.process.await_output(printed, "a line to paste on an edge", |text| {
        complete_lines(text).map(str::trim).find(|line| line.starts_with("weir-agent ")).map(str::to_owned)
    });
    assert!(!line.contains(&key(&balancer)), "this output is no terminal: it may be kept, and must not hold the key");

    let state = folder();
    let address = loopback::address().to_string();
    let mut command = agent::command(&state);
    command.args(line.split(' ').skip(1).map(|word| if word == "ADDRESS_OF_THE_EDGE" { &address } else { word }));
    let _agent = Process::start(command);
    balancer.await_running(1);
    assert_eq!(ask(&balancer), address);
    let guid = fs::read_to_string(state.path().join("guid")).unwrap();
    assert_eq!(balancer.server_info()[0].server_id, guid.trim());
}

#[test]
fn keygen_prints_a_new_key_each_time() {
    let key = || {
        let mut command = process::command(binaries::balancer());
        command.arg("keygen");
        process::run(command, PATIENCE).expect_success().stdout
    };
    let keys = [key(), key()];
    assert_ne!(keys[0], keys[1]);
    for key in keys {
        assert_eq!(key.trim_end_matches('\n').len(), 44, "{key}");
        assert_eq!(key.lines().count(), 1, "{key}");
    }
}
