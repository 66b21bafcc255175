//! The rate of work on many datagrams.

use std::time::{Duration, Instant};

use crate::outcome::Outcome;

/// The unit of a rate.
pub(super) const PER_SECOND: &str = "reports/s";

/// Measures the rate at which `work` is done on all of `datagrams`.
pub(super) fn timed(name: &str, datagrams: &mut [Vec<u8>], work: impl FnMut(&mut Vec<u8>) -> bool) -> Outcome {
    let (count, elapsed) = run(datagrams, work);
    Outcome::higher(name, rate(count, elapsed), PER_SECOND, None)
}

/// Does `work` on all of `datagrams`. Returns the number of successes, which should be all, and the elapsed time.
pub(super) fn run(datagrams: &mut [Vec<u8>], mut work: impl FnMut(&mut Vec<u8>) -> bool) -> (usize, Duration) {
    let start = Instant::now();
    let count = datagrams.iter_mut().filter_map(|datagram| work(datagram).then_some(())).count();
    (count, start.elapsed())
}

/// Returns a rate per second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}
