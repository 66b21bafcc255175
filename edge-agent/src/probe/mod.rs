//! Probes: where the load figures come from. Each kind of media server has a file here.
//!
//! | module          | contents                                                                 |
//! |-----------------|--------------------------------------------------------------------------|
//! | [`kind`]        | how probes are named on the command line, and created                    |
//! | [`system`]      | the kernel: connections on the edge's ports, interface rates, CPU        |
//! | [`nginx_rtmp`]  | the statistics page of nginx-rtmp                                        |
//! | [`hot_streams`] | helper: the streams with the most clients                                |
//!
//! A new probe is a file with a type that implements [`Probe`] and a [`Kind`] for it, and a line in [`KINDS`]. Its
//! name, syntax and help stand in that file; the command line, its help and its errors are made from the table.

mod hot_streams;
pub mod kind;
pub mod nginx_rtmp;
pub mod system;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use weir_protocol::report::HotStreams;

pub use kind::{Kind, Options, ProbeSpec};
pub use nginx_rtmp::NginxRtmp;
pub use system::System;

/// Every kind of probe, in the order of the help text.
pub static KINDS: &[&Kind] = &[&system::KIND, &nginx_rtmp::KIND];

/// A source of load figures.
pub trait Probe: Send + Sync + fmt::Debug {
    /// Returns what is probed, for the log, such as `nginx-rtmp at http://127.0.0.1/stat`.
    fn name(&self) -> String;

    /// Reads the figures once. The future is dropped when it takes longer than the agent's time limit, 1 s.
    fn read(&mut self) -> ReadFuture<'_>;
}

/// A reading in progress.
pub type ReadFuture<'p> = Pin<Box<dyn Future<Output = Result<Reading, BoxError>> + Send + 'p>>;

/// Why a probe has no reading, as a sentence for the log.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The figures of one reading. A figure that the probe cannot determine is `None`, which is not zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Current client connections, publishers included.
    pub connections: Option<u64>,
    /// Client connections accepted so far, as a running total with any start value.
    pub accepted: Option<Accepted>,
    /// Incoming media, in bits per second.
    pub in_bits_per_second: Option<u64>,
    /// Outgoing media, in bits per second.
    pub out_bits_per_second: Option<u64>,
    /// Utilisation of all processors, 0 to 1.
    pub cpu: Option<f32>,
    /// Hashes of the streams with the most clients ([`weir_protocol::stream`]), the one with the most first.
    pub hot_streams: Option<HotStreams>,
}

/// The number of client connections accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The running total.
    pub total: u64,
    /// Whether the total is an estimate of the agent rather than a count of the media server.
    pub is_estimate: bool,
}

impl Reading {
    /// Returns this reading with its unknown figures taken from `other`.
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
    fn the_first_probe_that_knows_a_figure_determines_it() {
        let streams = |streams: &[u64]| Some(streams.iter().copied().collect::<HotStreams>());
        let first = Reading { connections: Some(1), hot_streams: streams(&[]), ..Reading::default() };
        let second = Reading { connections: Some(2), cpu: Some(0.5), hot_streams: streams(&[7]), ..Reading::default() };
        let expected =
            Reading { connections: Some(1), cpu: Some(0.5), hot_streams: streams(&[]), ..Reading::default() };
        assert_eq!(first.or(second), expected);
    }
}
