//! The first start needs no preparation: it creates the key and prints the command to run on an edge.

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
fn the_key_is_private_to_its_owner_and_kept_over_restarts() {
    let first = Balancer::start();
    let created = key(&first);
    assert_eq!(created.len(), 44, "32 bytes in base64: {created}");
    let mode = fs::metadata(first.key_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Balancer::start_in(first.stop(), None);
    assert_eq!(key(&second), created, "the second start keeps the key");
    assert_ne!(key(&Balancer::start()), created, "another balancer creates another key");
}

#[test]
fn the_printed_command_starts_an_edge() {
    let balancer = Balancer::start();
    let printed = &balancer.process.stdout;
    let line = balancer.process.await_output(printed, "a command to run on an edge", |text| {
        complete_lines(text).map(str::trim).find(|line| line.starts_with("weir-agent ")).map(str::to_owned)
    });
    assert!(
        !line.contains(&key(&balancer)),
        "the output is not a terminal, so it may be stored and must not contain the key"
    );

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
