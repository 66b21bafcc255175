//! `[reports]`: how edges report, and how long they are tracked.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use weir_program::config::{ListenAddress, values};
use weir_protocol::receiver::{self, SaltLimits};

/// How edges report, and how long they are tracked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    /// UDP address for reports, `HOST:PORT` or `*:PORT`. Agents must be able to reach it from every edge. Default:
    /// `"*:1934"`.
    pub address: ListenAddress,
    /// File with the keys of the cluster, one per line; lines that start with `#` are comments. Every key in it is
    /// accepted, so that keys can be replaced without interruption. Read again on SIGHUP. All balancers of a cluster
    /// need the same keys. Default: `key` in the state folder, which is created with a random key at the first start.
    pub key_file: Option<PathBuf>,
    /// Time without a report after which an edge is considered down and gets no clients. It should be at least two
    /// intervals of the agents (2.5 s by default), or a single lost datagram takes an edge out of service. A shorter
    /// timeout detects failures sooner, a longer one tolerates more packet loss. Default: `"5s"`.
    #[serde(deserialize_with = "values::duration")]
    pub timeout: Duration,
    /// Time without a report after which an edge is removed from the API, the metrics and `?serverInfoXML`. If it
    /// reports again later, it joins as a new edge. Default: `"24h"`.
    #[serde(deserialize_with = "values::duration")]
    pub forget_after: Duration,
    /// Maximum difference between the clock of an edge and that of this balancer when the edge joins, or `"off"` for no
    /// limit. It protects a balancer that has just started against the replay of recorded reports; a larger value
    /// admits older recordings. Once an edge has joined, clocks do not matter. Edges beyond it are rejected with the
    /// reason `skew`: prefer to synchronise their clocks (NTP). Default: `"60s"`.
    #[serde(deserialize_with = "values::duration_or_off")]
    pub max_clock_skew: Option<Duration>,
    /// Maximum number of edges that are tracked, 1 to 1000000. Each takes less than 1 KiB of memory. Further edges are
    /// rejected with the reason `edges`. Default: 100000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub max_edges: usize,
    /// Time within which an edge must confirm an operator's command; after that the command is dropped. It should be
    /// longer than the interval of the agents. An edge that returns after hours must not be paused by a command long
    /// forgotten. Default: `"60s"`.
    #[serde(deserialize_with = "values::duration")]
    pub command_timeout: Duration,
    /// Maximum number of reports from new senders per second and source, 1 to 1000000. A source is an IPv4 address or
    /// an IPv6 /64 network. A sender is new after each start of an agent, and keys must be derived to verify its first
    /// report, which is the most expensive work that an attacker can cause. Edges behind one NAT address share the
    /// limit while they join: raise it if hundreds of them start at the same moment. Rejected reports have the reason
    /// `rate`. Default: 100.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub new_sender_rate_per_source: usize,
    /// Maximum number of reports from new senders per second, from all sources together, 1 to 1000000. Each takes some
    /// microseconds of the control thread. Edges that have joined are not affected when the limit is reached. Rejected
    /// reports have the reason `rate`. Default: 20000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub new_sender_rate: usize,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            address: ListenAddress::any(1934),
            key_file: None,
            timeout: Duration::from_secs(5),
            forget_after: Duration::from_secs(24 * 3600),
            max_clock_skew: Some(Duration::from_secs(60)),
            max_edges: 100_000,
            command_timeout: Duration::from_secs(60),
            new_sender_rate_per_source: 100,
            new_sender_rate: 20_000,
        }
    }
}

impl Reports {
    /// Returns the limits of the receiver.
    #[must_use]
    pub fn receiver_limits(&self) -> receiver::Limits {
        // Both are at most a million.
        let rate = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let mut limits = receiver::Limits::default();
        limits.max_clock_skew = self.max_clock_skew;
        limits.max_edges = self.max_edges;
        limits.salts =
            SaltLimits { per_source: rate(self.new_sender_rate_per_source), total: rate(self.new_sender_rate) };
        limits
    }
}
