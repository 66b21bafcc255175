//! Reports: their intake without and with a socket, the memory per edge, and a flood of forged ones.

mod flood;
mod intake;
pub(crate) mod load;
pub(crate) mod memory;
mod rate;
mod rejections;
mod socket;

use std::process::Command;

use weir_program::say;

use crate::outcome::Outcome;

/// The reports per second that one core must be able to open and apply: those of a million edges.
const MIN_INTAKE: f64 = 400_000.0;
/// The reports per CPU second that must be accepted and acknowledged through a socket.
const MIN_THROUGH_SOCKET: f64 = 150_000.0;
/// The maximum memory per edge, in bytes.
const MAX_BYTES_PER_EDGE: f64 = 1024.0;
/// The share of the rate of redirects that must remain during a flood of forged reports.
const MIN_UNDER_FLOOD: f64 = 0.8;

/// Runs all benchmarks of reports.
pub(crate) fn run() -> Vec<Outcome> {
    say("on one core, without a socket:");
    let mut results = intake::measure(MIN_INTAKE);
    say("\nthrough a socket, with acks:");
    results.extend(socket::measure(MIN_THROUGH_SOCKET));
    say("\nmemory:");
    results.extend([10_000, 100_000].map(bytes_per_edge));
    say("\nredirects during a flood of 100,000 forged reports per second:");
    results.extend(flood::measure(MIN_UNDER_FLOOD));
    results
}

/// Measures the memory in a separate process, so that nothing else is counted.
fn bytes_per_edge(edges: u32) -> Outcome {
    let program = std::env::current_exe().unwrap_or_default();
    let output = Command::new(program).args(["memory", &edges.to_string()]).output();
    let bytes = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok());
    // Without a result the bound is reported as missed.
    Outcome::lower(
        &format!("memory per edge at {edges} edges"),
        bytes.unwrap_or(f64::NAN),
        "bytes",
        Some(MAX_BYTES_PER_EDGE),
    )
}
