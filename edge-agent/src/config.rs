//! Settings of an agent, and the reports that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use weir_protocol::codec::{self, TooLong};
use weir_protocol::datagram::MAX_BODY_LENGTH;
use weir_protocol::report::{Capacity, HotStreams, MAX_HOT_STREAMS};
use weir_protocol::{EdgeId, Host, Name, NameBuf, Report};

use crate::endpoint::Endpoint;
use crate::probe::{Accepted, Probe, Reading};
use crate::snapshot::Snapshot;
use crate::targets::Target;

/// The agent's version, as reported.
const VERSION: Name<'static> = Name::from_static(env!("CARGO_PKG_VERSION"));

/// Settings of an agent.
#[derive(Debug)]
pub struct Config {
    /// The edge's GUID.
    pub edge: EdgeId,
    /// The balancers.
    pub targets: Vec<Target>,
    /// The host name or address that clients are redirected to; with `None`, balancers use the source address of the
    /// reports.
    pub redirect: Option<String>,
    /// The schemes and ports that the edge serves. When empty, clients keep the port that they used at the balancer.
    pub endpoints: Vec<Endpoint>,
    /// Sources of the load figures. The first one that knows a figure determines it.
    pub probes: Vec<Box<dyn Probe>>,
    /// Time between two reports, 100 ms to 1 h.
    pub interval: Duration,
    /// The zone that the edge is in.
    pub zone: Option<NameBuf>,
    /// Free-form labels.
    pub tags: Vec<NameBuf>,
    /// Share of clients relative to other edges; 1 when `None`.
    pub weight: Option<f32>,
    /// Limits of the edge's load.
    pub capacity: Capacity,
    /// The folder for the state file and the control socket. With `None` commands are not kept over a restart, and there
    /// is no control socket.
    pub state_folder: Option<PathBuf>,
}

impl Config {
    /// Checks that a report with these settings fits into a datagram, whatever its figures.
    ///
    /// # Errors
    /// [`TooLong`] when it does not.
    pub fn check(&self) -> Result<(), TooLong> {
        let max = Some(u64::MAX);
        let reading = Reading {
            connections: max,
            accepted: Some(Accepted { total: u64::MAX, is_estimate: true }),
            in_bits_per_second: max,
            out_bits_per_second: max,
            cpu: Some(1.0),
            hot_streams: Some(HotStreams::from([u64::MAX; MAX_HOT_STREAMS])),
        };
        let drain_deadline = Some(Duration::from_millis(u64::MAX));
        let snapshot = Snapshot { reading, drain_deadline, ..Snapshot::default() };
        codec::encode_report(&self.report(&snapshot, max, u64::MAX, u64::MAX), &mut [0; MAX_BODY_LENGTH]).map(drop)
    }

    /// Returns the report of `snapshot`, from an agent that started at `boot_time`; both times are in milliseconds since
    /// the Unix epoch.
    pub(crate) fn report(
        &self,
        snapshot: &Snapshot,
        last_command: Option<u64>,
        boot_time: u64,
        now: u64,
    ) -> Report<'_> {
        let mut report = Report::new(boot_time, now, self.interval);
        report.status = snapshot.status;
        report.reasons = snapshot.reasons;
        report.drain_deadline = snapshot.drain_deadline;
        report.last_command = last_command;
        report.redirect = self.redirect.as_deref().and_then(|host| Host::new(host).ok());
        report.endpoints = self.endpoints.iter().map(Endpoint::to_report).take(report.endpoints.capacity()).collect();
        report.zone = self.zone.as_ref().map(NameBuf::as_name);
        report.tags = self.tags.iter().map(NameBuf::as_name).take(report.tags.capacity()).collect();
        report.weight = self.weight;
        report.capacity = self.capacity;
        report.load.connections = snapshot.reading.connections;
        report.load.accepted = snapshot.reading.accepted.map(|accepted| accepted.total);
        report.load.accepted_is_estimate = snapshot.reading.accepted.is_some_and(|accepted| accepted.is_estimate);
        report.load.in_bits_per_second = snapshot.reading.in_bits_per_second;
        report.load.out_bits_per_second = snapshot.reading.out_bits_per_second;
        report.load.cpu = snapshot.reading.cpu;
        report.hot_streams = snapshot.reading.hot_streams.clone().unwrap_or_default();
        report.agent_version = Some(VERSION);
        report
    }
}
