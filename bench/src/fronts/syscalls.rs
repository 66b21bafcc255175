//! What the balancer asks of the kernel for a redirect.

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
/// What is asked less often than once in so many redirects belongs to reports and timers.
const SELDOM: f64 = 50.0;

/// Counts calls per redirect, of each kind of redirect.
///
/// # Errors
/// When strace is not installed, or may not look at the server.
pub(super) fn count(server: &Server, exchanges: &[Exchange]) -> io::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for &exchange in exchanges {
        say(format_args!("\n{}: calls per request", exchange.title()));
        let table = traced(server, || drive(exchange, server.address, REQUESTS).answered)?;
        for (call, calls) in parse(&table) {
            let per_request = calls / f64::from(REQUESTS);
            if per_request * SELDOM >= 1.0 {
                outcomes.push(Outcome::lower(&format!("{}, {call}", exchange.name()), per_request, "calls", None));
            }
        }
    }
    Ok(outcomes)
}

/// strace's table of what the server called during `work`, which returns how many requests were answered.
fn traced(server: &Server, work: impl FnOnce() -> u32) -> io::Result<String> {
    let file = empty_folder("fronts/strace")?.join("table");
    let mut command = Command::new(installed("strace", "strace")?);
    command.args(["-c", "-f", "-U", "name,calls", "-p", &server.program.id().to_string(), "-o"]).arg(&file);
    let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(strace.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let attached = said.find_map(|line| line.ok().filter(|line| line.contains("attached")));
    let answered = attached.map_or(0, |_| work());
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    strace.wait()?;
    if answered < REQUESTS {
        let reason = if answered == 0 { "strace may not look at the server" } else { "requests failed" };
        return Err(io::Error::other(reason));
    }
    fs::read_to_string(file)
}

/// The names of calls, and how many there were.
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
    fn rows_are_read_and_the_rest_is_not() {
        let table =
            "syscall              calls\n---------------- ---------\nread                   12\n---- ---\ntotal  12\n";
        assert_eq!(parse(table).collect::<Vec<_>>(), [("read", 12.0)]);
    }
}
