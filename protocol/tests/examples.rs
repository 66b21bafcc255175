//! The examples, against each other over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example that runs until this is dropped, and its lines.
struct Example {
    process: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut process =
            Command::new(executable(name)).args(arguments).stdout(Stdio::piped()).spawn().expect("the example starts");
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, lines }
    }

    /// The rest of the first line that begins with `prefix`.
    #[track_caller]
    fn line(&self, prefix: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line begins with {prefix:?}"));
            if let Some(rest) = line.strip_prefix(prefix) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo builds the examples with the tests of the package, beside the folder of the tests. Only `--test examples`
/// alone does not; then they are built here.
fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "weir-protocol", "--example", name]);
        assert!(build.status().unwrap().success());
    }
    path
}

#[test]
fn the_agent_reports_to_the_balancer_and_confirms_its_command() {
    let balancer = Example::start("receive_report", &["127.0.0.1:0", "open-sesame", "drain:600"]);
    let listening = balancer.line("listening on ");
    let (address, key) = listening.split_once(", key ").unwrap();
    let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let agent = Example::start("send_report", &[address, key, guid]);

    assert!(balancer.line("rejected datagram from ").ends_with(": unconfirmed"), "the first report of a new edge");
    let report = format!("report from edge {guid}: address 127.0.0.1, ");
    assert_eq!(balancer.line(&report), "running, connections 12");
    assert_eq!(agent.line("example acknowledged "), "report 2");
    let command = agent.line("executed command ");
    let id = command.strip_suffix(": draining").unwrap();
    assert_eq!(balancer.line(&report), "draining, connections 12");
    assert_eq!(balancer.line(&format!("edge {guid} confirmed command ")), id);
    assert_eq!(agent.line("example acknowledged "), "report 3", "an ack without the command");
}

#[test]
fn without_arguments_the_agent_explains_its_use() {
    let agent = Command::new(executable("send_report")).output().unwrap();
    assert!(!agent.status.success());
    assert!(String::from_utf8_lossy(&agent.stderr).contains("usage: send_report ADDRESS KEY [GUID]"));
}
