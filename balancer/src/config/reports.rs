//! `[reports]`: where edges report to, and how long they are believed.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use weir_program::config::{ListenAddress, values};
use weir_protocol::receiver::{self, SaltLimits};

/// Where edges report to, and how long they are believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    /// The UDP address for reports. Default: `"*:1934"`.
    pub address: ListenAddress,
    /// The file with the cluster's secrets, one a line. Default: `key` in the state folder, made on the first start.
    pub key_file: Option<PathBuf>,
    /// An edge that has been silent for this long gets no clients. At least two intervals of the agents, or one lost
    /// datagram takes an edge out. Default: `"5s"`.
    #[serde(deserialize_with = "values::duration")]
    pub timeout: Duration,
    /// An edge that has been silent for this long is no longer listed. Default: `"24h"`.
    #[serde(deserialize_with = "values::duration")]
    pub forget_after: Duration,
    /// How far the clock of an edge may be off when it is first met, or `"off"` for any; wider lets older recordings be
    /// played back to a balancer that has just started. Default: `"60s"`.
    #[serde(deserialize_with = "values::duration_or_off")]
    pub max_clock_skew: Option<Duration>,
    /// How many edges may be known at a time, 1 to 1000000; each takes less than 1 KiB. Default: 100000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub max_edges: usize,
    /// How long an edge may take to obey an operator's command before it is given up: an edge that comes back after an
    /// hour must not be surprised. Default: `"60s"`.
    #[serde(deserialize_with = "values::duration")]
    pub command_timeout: Duration,
    /// How many unknown boot salts of one source (an IPv4 address, or a /64 of IPv6) are looked at per second, 1 to
    /// 1000000: keys must be derived for each. Edges behind one address share it while they join. Default: 100.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub unknown_salts_per_source: usize,
    /// How many of all sources together, 1 to 1000000; each takes some microseconds of the control thread. Edges that
    /// are known do not suffer when it is reached. Default: 20000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub unknown_salts: usize,
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
            unknown_salts_per_source: 100,
            unknown_salts: 20_000,
        }
    }
}

impl Reports {
    /// As the receiver takes them.
    #[must_use]
    pub fn receiver_limits(&self) -> receiver::Limits {
        // Both are at most a million.
        let rate = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        receiver::Limits {
            max_clock_skew: self.max_clock_skew,
            max_edges: self.max_edges,
            salts: SaltLimits { per_source: rate(self.unknown_salts_per_source), total: rate(self.unknown_salts) },
        }
    }
}
