//! The arrival of a datagram.

use std::net::SocketAddr;
use std::time::Duration;

/// The source and the time of a datagram.
///
/// Exhaustive on purpose: a receiver needs all of it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The source address of the datagram, which is not authenticated.
    pub source: SocketAddr,
    /// The time since any fixed moment, by a monotonic clock.
    pub monotonic: Duration,
    /// The time in milliseconds since the Unix epoch.
    pub unix: u64,
}
