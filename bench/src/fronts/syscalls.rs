//! System calls of the balancer per redirect.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use weir_program::say;

use crate::fronts::exchange::{Exchange, drive};
use crate::fronts::servers::Server;
use crate::outcome::Outcome;
use crate::program::{empty_folder, installed};

/// Redirects of each kind.
const REQUESTS: u32 = 1000;
/// Calls that occur less than once in this number of redirects belong to reports and timers.
const MAX_REDIRECTS_PER_CALL: f64 = 50.0;

/// Counts the system calls per redirect, for each kind of redirect.
///
/// # Errors
/// When strace is not installed, or may not trace the server.
pub(super) fn count(server: &Server, exchanges: &[Exchange]) -> io::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for &exchange in exchanges {
        say(format_args!("\n{}: calls per request", exchange.title()));
        let table = traced(server, || drive(exchange, server.address, REQUESTS).answered)?;
        for (call, calls) in parse(&table) {
            let per_request = calls / f64::from(REQUESTS);
            if per_request * MAX_REDIRECTS_PER_CALL >= 1.0 {
                outcomes.push(Outcome::lower(&format!("{}, {call}", exchange.name()), per_request, "calls", None));
            }
        }
    }
    Ok(outcomes)
}

/// Returns strace's table of the calls of the server during `work`, which returns the number of answered requests.
fn traced(server: &Server, work: impl FnOnce() -> u32) -> io::Result<String> {
    let file = empty_folder("fronts/strace")?.join("table");
    let mut command = Command::new(installed("strace", "strace")?);
    command.args(["-c", "-f", "-U", "name,calls", "-p", &server.program.id().to_string(), "-o"]).arg(&file);
    let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(strace.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let attached = lines.find_map(|line| line.ok().filter(|line| line.contains("attached")));
    let answered = attached.map_or(0, |_| work());
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    strace.wait()?;
    if answered < REQUESTS {
        let reason = if answered == 0 { "strace may not trace the server" } else { "requests failed" };
        return Err(io::Error::other(reason));
    }
    fs::read_to_string(file)
}

/// Returns the names and numbers of calls.
fn parse(table: &str) -> impl Iterator<Item = (&str, f64)> {
    let rows = table.lines().filter_map(|line| {
        let (call, calls) = line.trim().split_once(char::is_whitespace)?;
        Some((call, calls.trim().parse().ok()?))
    });
    rows.filter(|(call, _)| *call != "total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rows_of_the_table_are_parsed() {
        let table =
            "syscall              calls\n---------------- ---------\nread                   12\n---- ---\ntotal  12\n";
        assert_eq!(parse(table).collect::<Vec<_>>(), [("read", 12.0)]);
    }
}
