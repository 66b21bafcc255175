//! Reports: what one costs by itself, through a socket, in memory, and when strangers send them.

mod flood;
mod intake;
pub(crate) mod load;
pub(crate) mod memory;
mod rejections;
mod socket;

use std::process::Command;

use weir_program::say;

use crate::outcome::Outcome;

/// A balancer takes in this many reports per second on one core: those of a million edges.
const TAKEN_IN: f64 = 400_000.0;
/// … and this many through a socket.
const THROUGH_SOCKET: f64 = 150_000.0;
/// An edge takes at most this many bytes.
const BYTES_PER_EDGE: f64 = 1024.0;
/// What is left of the speed of redirects while forged reports flood in.
const UNDER_FLOOD: f64 = 0.8;

/// Measures everything.
pub(crate) fn run() -> Vec<Outcome> {
    say("on one core, without a socket:");
    let mut results = intake::measure(TAKEN_IN);
    say("\nthrough a socket, with acks:");
    results.extend(socket::measure(THROUGH_SOCKET));
    say("\nmemory:");
    results.extend([10_000, 100_000].map(bytes_per_edge));
    say("\nredirects while strangers send 100,000 forged reports per second:");
    results.extend(flood::measure(UNDER_FLOOD));
    results
}

/// Asks a process of its own, so that nothing else is counted.
fn bytes_per_edge(edges: u32) -> Outcome {
    let program = std::env::current_exe().unwrap_or_default();
    let output = Command::new(program).args(["memory", &edges.to_string()]).output();
    let bytes = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok());
    // Without a figure the bound is missed for all to see.
    Outcome::lower(
        &format!("memory per edge at {edges} edges"),
        bytes.unwrap_or(f64::NAN),
        "bytes",
        Some(BYTES_PER_EDGE),
    )
}
