//! Programs that check a server.

use std::fs;
use std::time::Instant;

use super::*;

const TARGET: &str = "[2001:db8::1]:554";

/// Runs a shell script as a check.
async fn run(script: &str, timeout: Duration) -> Result<(), Failure> {
    let script = script.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!(
        "kind = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\", \"check\", \"{{address}}\", \"{{port}}\"]"
    );
    let check = Check { timeout, ..check(&text) };
    probe(TARGET.parse().unwrap(), &check, ProbeOptions::default()).await
}

fn failure(reason: &str) -> Result<(), Failure> {
    Err(Failure::Exit(reason.to_owned()))
}

#[tokio::test]
async fn the_exit_code_decides_and_the_first_line_is_the_reason() {
    assert_eq!(run("exit 0", PATIENCE).await, Ok(()));
    assert_eq!(run("test \"$1 $2\" = '2001:db8::1 554'", PATIENCE).await, Ok(()), "it gets address and port");
    assert_eq!(run("echo; echo ' no signal '; echo 2; exit 2", PATIENCE).await, failure("no signal"));
    assert_eq!(run("echo trouble >&2; exit 1", PATIENCE).await, failure("trouble"));
    assert_eq!(run("echo detail >&2; echo result; exit 1", PATIENCE).await, failure("result"));
    assert_eq!(run("exit 3", PATIENCE).await, failure("program ended with exit status: 3"));
    assert_eq!(run("kill -9 $$", PATIENCE).await, failure("program ended with signal: 9 (SIGKILL)"));
    // Its input is empty, and control characters in its output are removed.
    assert_eq!(run("cat; printf 'a\\033[2Jb\\n'; exit 1", PATIENCE).await, failure("a[2Jb"));
    assert_eq!(run("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", PATIENCE).await, failure(&"x".repeat(200)));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_a_local_failure() {
    let check = check("kind = \"exec\"\ncommand = [\"/nonexistent/check\"]");
    let outcome = probe(TARGET.parse().unwrap(), &check, ProbeOptions::default()).await;
    assert!(matches!(&outcome, Err(Failure::Local(why)) if why.contains("/nonexistent/check")), "{outcome:?}");
}

#[tokio::test]
async fn a_process_that_the_program_leaves_behind_is_not_waited_for() {
    // It keeps the pipe open as long as this folder exists.
    let folder = tempfile::tempdir().unwrap();
    let script = format!("while [ -e {} ]; do sleep 0.05; done & echo gone; exit 1", folder.path().display());
    let outcome = tokio::time::timeout(PATIENCE, run(&script, PATIENCE)).await;
    assert_eq!(outcome, Ok(failure("gone")));
}

/// Returns whether the process exists and is not a zombie.
fn is_alive(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_program_that_times_out_is_killed_with_its_process_group() {
    let folder = tempfile::tempdir().unwrap();
    let (own, child) = (folder.path().join("own"), folder.path().join("child"));
    let script = format!("echo $$ > {}; sleep 60 & echo $! > {}; wait", own.display(), child.display());
    assert_eq!(run(&script, Duration::from_secs(1)).await, Err(Failure::Timeout(Phase::Exit)));
    for file in [own, child] {
        let process = fs::read_to_string(file).unwrap();
        let began = Instant::now();
        // The kernel takes a moment to deliver SIGKILL.
        while is_alive(&process) {
            assert!(began.elapsed() < PATIENCE, "{process} is still running");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_cancelled_probe_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 60", file.display());
    let process = {
        let running = run(&script, PATIENCE);
        tokio::pin!(running);
        loop {
            if let Ok(process) = fs::read_to_string(&file) {
                break process;
            }
            let _ = tokio::time::timeout(Duration::from_millis(5), &mut running).await;
        }
    };
    let began = Instant::now();
    while is_alive(&process) {
        assert!(began.elapsed() < PATIENCE, "{process} is still running");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
