//! The edges in the simulation. Balancers learn of their loads by reports.

use std::cmp::Reverse;
use std::time::Duration;

use weir_fleet::Time;
use weir_fleet::random::mix;
use weir_protocol::Report;
use weir_protocol::report::{Capacity, MAX_HOT_STREAMS};

use crate::selection::scenario::Unit;

/// One media server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// In the unit below.
    pub(super) capacity: u64,
    pub(super) unit: Unit,
    pub(super) sessions: u64,
    pub(super) accepted: u64,
    pub(super) bits_per_second: u64,
    /// The load of clients that were assigned to the server and will arrive.
    pub(super) on_the_way: u64,
    /// Whether it serves clients: not before it joins, and not when it is dead.
    pub(super) is_up: bool,
    /// The number of sessions of each stream.
    viewers: Vec<u32>,
}

impl Server {
    pub(super) fn new(capacity: u64, unit: Unit, streams: usize) -> Self {
        Self {
            capacity,
            unit,
            sessions: 0,
            accepted: 0,
            bits_per_second: 0,
            on_the_way: 0,
            is_up: true,
            viewers: vec![0; streams],
        }
    }

    /// Returns the load, in the unit of the capacity.
    pub(super) fn load(&self) -> u64 {
        match self.unit {
            Unit::Sessions => self.sessions,
            Unit::Bits => self.bits_per_second,
        }
    }

    /// Returns the load of one client, in the unit of the capacity.
    pub(super) fn share_of(&self, bits_per_second: u64) -> u64 {
        match self.unit {
            Unit::Sessions => 1,
            Unit::Bits => bits_per_second,
        }
    }

    /// Adds a session. Returns whether it is the first of its stream.
    pub(super) fn enter(&mut self, bits_per_second: u64, stream: Option<usize>) -> bool {
        self.sessions += 1;
        self.accepted += 1;
        self.bits_per_second += bits_per_second;
        stream.is_some_and(|stream| {
            self.viewers[stream] += 1;
            self.viewers[stream] == 1
        })
    }

    /// Removes a session. Returns whether it was the last of its stream.
    pub(super) fn leave(&mut self, bits_per_second: u64, stream: Option<usize>) -> bool {
        self.sessions -= 1;
        self.bits_per_second -= bits_per_second;
        stream.is_some_and(|stream| {
            self.viewers[stream] -= 1;
            self.viewers[stream] == 0
        })
    }

    /// Returns the report of its agent.
    pub(super) fn report(&self, now: Time, interval: Duration) -> Report<'static> {
        let mut report = Report::new(1, now.as_micros() / 1000, interval);
        report.load.connections = Some(self.sessions);
        report.load.accepted = Some(self.accepted);
        match self.unit {
            Unit::Sessions => report.capacity = Capacity::UNLIMITED.with_connections(Some(self.capacity)),
            Unit::Bits => {
                report.capacity = Capacity::UNLIMITED.with_bits_per_second(Some(self.capacity));
                report.load.out_bits_per_second = Some(self.bits_per_second);
            }
        }
        report.hot_streams.extend(self.hottest().map(hash_of_stream));
        report
    }

    fn hottest(&self) -> impl Iterator<Item = usize> {
        let mut streams: Vec<usize> = (0..self.viewers.len()).filter(|stream| self.viewers[*stream] > 0).collect();
        streams.sort_unstable_by_key(|stream| (Reverse(self.viewers[*stream]), *stream));
        streams.into_iter().take(MAX_HOT_STREAMS)
    }
}

/// Returns the hash of a stream.
pub(super) fn hash_of_stream(stream: usize) -> u64 {
    mix(stream as u64 + 1)
}
