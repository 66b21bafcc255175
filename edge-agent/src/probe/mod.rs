//! Where load comes from: one module for each kind of media server.
//!
//! | module         | what it asks                                                         |
//! |----------------|----------------------------------------------------------------------|
//! | [`system`]     | the kernel: connections on given ports, interface rates, CPU          |
//! | [`nginx_rtmp`] | nginx-rtmp's `/stat` page                                             |
//! | [`hottest`]    | (of the streams that a probe found, which are reported)              |

mod hottest;
pub mod nginx_rtmp;
pub mod system;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use nginx_rtmp::NginxRtmp;
pub use system::System;
use weir_protocol::report::HotStreams;

/// Asks one source for the load of the edge.
pub trait Probe: Send + Sync + fmt::Debug {
    /// What it asks, for the log.
    fn name(&self) -> String;

    /// Asks once. It is dropped when it takes longer than the agent gives it.
    fn read(&mut self) -> Outcome<'_>;
}

/// What a probe found out, or why it found out nothing.
pub type Outcome<'p> = Pin<Box<dyn Future<Output = Result<Reading, Failure>> + Send + 'p>>;

/// Why a probe found out nothing: a sentence for the log.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a probe found out. What it does not know is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Client connections now, publishers included.
    pub connections: Option<u64>,
    /// Client connections accepted: a running total, from any beginning.
    pub accepted: Option<Accepted>,
    /// Incoming media, bits per second.
    pub in_bits_per_second: Option<u64>,
    /// Outgoing media, bits per second.
    pub out_bits_per_second: Option<u64>,
    /// Share of all processors in use, 0 to 1.
    pub cpu: Option<f32>,
    /// Hashes of the streams with the most clients ([`weir_protocol::stream`]), the hottest first.
    pub hot_streams: Option<HotStreams>,
}

/// How many client connections were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The running total.
    pub total: u64,
    /// Whether it is the agent's estimate rather than the media server's count.
    pub is_estimate: bool,
}

impl Reading {
    /// This reading, with what it does not know taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            connections: self.connections.or(other.connections),
            accepted: self.accepted.or(other.accepted),
            in_bits_per_second: self.in_bits_per_second.or(other.in_bits_per_second),
            out_bits_per_second: self.out_bits_per_second.or(other.out_bits_per_second),
            cpu: self.cpu.or(other.cpu),
            hot_streams: self.hot_streams.or(other.hot_streams),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_probes_the_first_that_knows_a_figure_wins() {
        let streams = |streams: &[u64]| Some(streams.iter().copied().collect::<HotStreams>());
        let first = Reading { connections: Some(1), hot_streams: streams(&[]), ..Reading::default() };
        let second = Reading { connections: Some(2), cpu: Some(0.5), hot_streams: streams(&[7]), ..Reading::default() };
        let expected =
            Reading { connections: Some(1), cpu: Some(0.5), hot_streams: streams(&[]), ..Reading::default() };
        assert_eq!(first.or(second), expected);
    }
}
