//! Programs that ask a server.

use std::fs;
use std::time::Instant;

use super::*;

const TARGET: &str = "[2001:db8::1]:554";

/// Runs a line of shell as a check.
async fn run(script: &str, timeout: Duration) -> Result<(), Failure> {
    let script = script.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!(
        "kind = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\", \"check\", \"{{address}}\", \"{{port}}\"]"
    );
    let check = Check { timeout, ..check(&text) };
    probe(TARGET.parse().unwrap(), &check, ProbeOptions::default()).await
}

fn said(words: &str) -> Result<(), Failure> {
    Err(Failure::Exit(words.to_owned()))
}

#[tokio::test]
async fn the_exit_code_counts_and_the_first_line_says_why() {
    assert_eq!(run("exit 0", PATIENCE).await, Ok(()));
    assert_eq!(run("test \"$1 $2\" = '2001:db8::1 554'", PATIENCE).await, Ok(()), "it is told whom to ask");
    assert_eq!(run("echo; echo ' no signal '; echo 2; exit 2", PATIENCE).await, said("no signal"));
    assert_eq!(run("echo trouble >&2; exit 1", PATIENCE).await, said("trouble"));
    assert_eq!(run("echo detail >&2; echo result; exit 1", PATIENCE).await, said("result"));
    assert_eq!(run("exit 3", PATIENCE).await, said("the program ends with exit status: 3"));
    assert_eq!(run("kill -9 $$", PATIENCE).await, said("the program ends with signal: 9 (SIGKILL)"));
    // It reads nothing, and none of what it prints can do harm.
    assert_eq!(run("cat; printf 'a\\033[2Jb\\n'; exit 1", PATIENCE).await, said("a[2Jb"));
    assert_eq!(run("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", PATIENCE).await, said(&"x".repeat(200)));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_nothing_about_the_server() {
    let check = check("kind = \"exec\"\ncommand = [\"/nonexistent/check\"]");
    let outcome = probe(TARGET.parse().unwrap(), &check, ProbeOptions::default()).await;
    assert!(matches!(&outcome, Err(Failure::Ours(why)) if why.contains("/nonexistent/check")), "{outcome:?}");
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_not_waited_for() {
    // It keeps the output open for as long as there is this folder.
    let folder = tempfile::tempdir().unwrap();
    let script = format!("while [ -e {} ]; do sleep 0.05; done & echo gone; exit 1", folder.path().display());
    let outcome = tokio::time::timeout(PATIENCE, run(&script, PATIENCE)).await;
    assert_eq!(outcome, Ok(said("gone")));
}

/// Whether a process that is no zombie has this number.
fn is_alive(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_program_that_does_not_end_in_time_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let (own, child) = (folder.path().join("own"), folder.path().join("child"));
    let script = format!("echo $$ > {}; sleep 60 & echo $! > {}; wait", own.display(), child.display());
    assert_eq!(run(&script, Duration::from_secs(1)).await, Err(Failure::Timeout(Awaited::Exit)));
    for file in [own, child] {
        let process = fs::read_to_string(file).unwrap();
        let began = Instant::now();
        // SIGKILL was sent; the kernel takes a moment.
        while is_alive(&process) {
            assert!(began.elapsed() < PATIENCE, "{process} lives on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_check_that_is_cancelled_leaves_no_process() {
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
        assert!(began.elapsed() < PATIENCE, "{process} lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
