//! What an agent reports for one edge, and where.

use std::path::PathBuf;
use std::time::Duration;

use weir_protocol::codec::{self, TooLong};
use weir_protocol::datagram::MAX_BODY_LENGTH;
use weir_protocol::report::{Capacity, HotStreams, Load, MAX_HOT_STREAMS};
use weir_protocol::{EdgeId, Host, Report};

use crate::endpoint::Endpoint;
use crate::news::News;
use crate::probe::{Accepted, Probe, Reading};
use crate::targets::Target;

/// What an agent reports for one edge, and where.
#[derive(Debug)]
pub struct Config {
    /// Who the edge is.
    pub edge: EdgeId,
    /// The balancers.
    pub targets: Vec<Target>,
    /// What clients are to call the edge; the balancers take the address that reports come from when it is `None`.
    pub redirect: Option<String>,
    /// What the edge serves where; empty for the ports that clients use at the balancer.
    pub endpoints: Vec<Endpoint>,
    /// Where the load comes from. Of figures that several know, the first one's is reported.
    pub probes: Vec<Box<dyn Probe>>,
    /// The time between two reports, 100 ms to 1 h.
    pub interval: Duration,
    /// The zone that the edge is in.
    pub zone: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Share of clients relative to other edges; 1 when `None`.
    pub weight: Option<f32>,
    /// How much the edge can carry.
    pub capacity: Capacity,
    /// Where an operator's pause or drain is kept, and where the running agent is spoken to; when `None` nothing is kept.
    pub state_folder: Option<PathBuf>,
}

impl Config {
    /// Whether what is configured fits into a report, whatever the figures.
    ///
    /// # Errors
    /// [`TooLong`] when it does not.
    pub fn check(&self) -> Result<(), TooLong> {
        let most = Some(u64::MAX);
        let reading = Reading {
            connections: most,
            accepted: Some(Accepted { total: u64::MAX, is_estimate: true }),
            in_bits_per_second: most,
            out_bits_per_second: most,
            cpu: Some(1.0),
            hot_streams: Some(HotStreams::from([u64::MAX; MAX_HOT_STREAMS])),
        };
        let news = News { reading, drain_deadline: Some(Duration::from_millis(u64::MAX)), ..News::default() };
        codec::encode(&self.report(&news, most, u64::MAX, u64::MAX), &mut [0; MAX_BODY_LENGTH]).map(drop)
    }

    /// The report of `news`, from a sender that started at `boot_time`; both times in milliseconds since the Unix epoch.
    pub(crate) fn report(&self, news: &News, last_command: Option<u64>, boot_time: u64, now: u64) -> Report<'_> {
        let mut report = Report::new(boot_time, now, self.interval);
        report.status = news.status;
        report.reasons = news.reasons;
        report.drain_deadline = news.drain_deadline;
        report.last_command = last_command;
        report.redirect = self.redirect.as_deref().and_then(|host| Host::new(host).ok());
        report.endpoints = self.endpoints.iter().map(Endpoint::to_report).take(report.endpoints.capacity()).collect();
        report.zone = self.zone.as_deref();
        report.tags = self.tags.iter().map(String::as_str).take(report.tags.capacity()).collect();
        report.weight = self.weight;
        report.capacity = self.capacity;
        report.load = Load {
            connections: news.reading.connections,
            accepted: news.reading.accepted.map(|accepted| accepted.total),
            accepted_is_estimate: news.reading.accepted.is_some_and(|accepted| accepted.is_estimate),
            in_bits_per_second: news.reading.in_bits_per_second,
            out_bits_per_second: news.reading.out_bits_per_second,
            cpu: news.reading.cpu,
            ..Load::default()
        };
        report.hot_streams = news.reading.hot_streams.clone().unwrap_or_default();
        report.agent_version = Some(env!("CARGO_PKG_VERSION"));
        report
    }
}
