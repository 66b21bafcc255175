//! `[[kernel.service]]`: a virtual service and its real servers.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use weir_checks::Check;
use weir_program::config::values;

use super::parse;
use crate::model::{Destination, Name, PortRange};
use crate::settings::{Edges, Method};

/// A virtual service: packets to these addresses, protocols and ports are forwarded to its servers. Everything that a
/// client needs for one stream belongs in one service: with `persistence`, it is all forwarded to the same server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSection {
    /// Name in logs, metrics and API, 1 to 64 printable ASCII characters. Required and unique.
    pub name: String,
    /// Virtual addresses: IPv4, IPv6 or both. This machine must have them, or keepalived must assign them to it.
    /// Required.
    #[serde(deserialize_with = "values::addresses")]
    pub addresses: Vec<IpAddr>,
    /// TCP ports and port ranges, such as `"554"` and `"1024-5000"`. Default: none.
    #[serde(default, deserialize_with = "parse::ports")]
    pub tcp: Vec<PortRange>,
    /// UDP ports and port ranges. Default: none, but at least one TCP or UDP port is required.
    #[serde(default, deserialize_with = "parse::ports")]
    pub udp: Vec<PortRange>,
    /// Firewall mark, 1 to 4294967295, unique. A mark outside of `marks` is owned by Weir while it is configured.
    /// Default: the next free mark of `marks`, in the order of the file. Connections survive a restart if their service
    /// keeps its mark.
    #[serde(default, deserialize_with = "parse::mark")]
    pub mark: Option<u32>,
    /// Scheduler: any that the kernel has, by the name of its module without `ip_vs_`. Those that respect weights
    /// follow the load that agents report: `wlc`, `wrr`, `sed`, `nq`, `mh`, `sh`. `mh` and `sh` send clients of a
    /// server with weight 0 to another server; `dh` cannot, and refuses them. Default: `"wlc"`, the fewest connections
    /// for the weight.
    #[serde(default = "Name::weighted_least_connections", deserialize_with = "parse::scheduler")]
    pub scheduler: Name,
    /// Time after a client's last connection during which it keeps its server, `"1s"` to `"744h"`. Needed if a client
    /// uses several ports. Default: no persistence.
    #[serde(default, deserialize_with = "parse::persistence")]
    pub persistence: Option<u32>,
    /// Prefix length by which IPv4 addresses are one client for persistence, 1 to 32. Default: 32.
    #[serde(default = "ipv4_prefix", deserialize_with = "values::within_u32::<_, 1, 32>")]
    pub persistence_prefix: u32,
    /// Prefix length by which IPv6 addresses are one client for persistence, 1 to 128. Default: 128.
    #[serde(default = "ipv6_prefix", deserialize_with = "values::within_u32::<_, 1, 128>")]
    pub persistence_prefix6: u32,
    /// Whether each UDP datagram is scheduled on its own, for protocols of one request and one response. Default:
    /// false.
    #[serde(default)]
    pub one_packet: bool,
    /// Forwarding method: `"direct"`, `"nat"`, `"ipip"`, `"gue"`, `"gre"`, or `"local"` for the director itself.
    /// Default: `"direct"`, with which replies bypass the director.
    #[serde(default)]
    pub method: Method,
    /// UDP port on which servers decapsulate `"gue"`, 1 to 65535. Default: 6080, GUE's assigned port (IANA).
    #[serde(default = "gue_port", deserialize_with = "values::within_u32::<_, 1, 65_535>")]
    pub gue_port: u32,
    /// Number of connections above which a server gets no new ones, 0 to 4294967295; 0 for no limit. Default: 0.
    #[serde(default)]
    pub upper_threshold: u32,
    /// Number of connections below which a server gets new ones again, 0 to `upper_threshold`; 0 for three quarters of
    /// that. Default: 0.
    #[serde(default)]
    pub lower_threshold: u32,
    /// Edges that are real servers: `true` for all that report, or those that match a zone, a protocol, or both, as in
    /// `{ zone = "eu", protocol = "rtsp" }`. An edge gets packets at its redirect address, or if that is a host name,
    /// at the source address of its reports. Default: false.
    #[serde(default)]
    pub edges: Edges,
    /// Sorry server, which serves clients while fewer than `quorum` servers are up: an address, or one IPv4 and one
    /// IPv6 address. Packets are forwarded to it by `method`. Default: none.
    #[serde(default, deserialize_with = "values::addresses")]
    pub sorry_server: Vec<IpAddr>,
    /// Number of servers that must be up, 1 to 65535; below it, the sorry server takes over. Default: 1.
    #[serde(default = "one", deserialize_with = "values::within_u32::<_, 1, 65_535>")]
    pub quorum: u32,
    /// Number of servers in addition to `quorum` that must be up before the sorry server is drained, 0 to 65535, so
    /// that it does not come and go with a single server. Default: 0.
    #[serde(default, deserialize_with = "values::within_u32::<_, 0, 65_535>")]
    pub hysteresis: u32,
    /// How long a draining server may keep connections, `"0s"` to `"744h"`. The deadline of an operator's `drain`
    /// command takes precedence. Afterwards the server is deleted with its connections. Default: `"10m"`; long media
    /// streams need more.
    #[serde(default = "ten_minutes", deserialize_with = "values::duration_within::<_, 0, 2_678_400_000>")]
    pub drain: Duration,
    /// Health check of the servers. Default: none; edges are up while their agents report.
    pub check: Option<Check>,
    /// Real servers, with or without an agent. If an edge reports with the address of one, its load counts.
    #[serde(rename = "server", default)]
    pub servers: Vec<Spanned<ServerSection>>,
}

/// `[[kernel.service.server]]`: a real server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// Its address. Required, and unique within the service.
    #[serde(deserialize_with = "values::address")]
    pub address: IpAddr,
    /// Weight without load, relative to the other servers', 1 to 65535. Load reduces it, down to 1; a weight of 1
    /// cannot be reduced. Default: 100.
    #[serde(default = "hundred", deserialize_with = "values::within_u32::<_, 1, { Destination::MAX_WEIGHT }>")]
    pub weight: u32,
    /// Forwarding method. Default: the service's.
    pub method: Option<Method>,
}

impl ServerSection {
    /// Forwarding method of the server as one of `service`.
    #[must_use]
    pub fn method(&self, service: &ServiceSection) -> Method {
        self.method.unwrap_or(service.method)
    }
}

fn ipv4_prefix() -> u32 {
    32
}

fn ipv6_prefix() -> u32 {
    128
}

fn gue_port() -> u32 {
    6080
}

fn one() -> u32 {
    1
}

fn hundred() -> u32 {
    100
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}
