//! `[[kernel.service]]`: a virtual service, and its servers.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use weir_checks::Check;
use weir_program::config::values;

use super::parse;
use crate::model::{Destination, Name, PortRange};
use crate::settings::{Edges, Method};

/// A virtual service: clients come to some addresses, protocols and ports, and are forwarded to some servers. All that one
/// client needs for one stream belongs in one service: with `persistence` it gets all of it from one server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What it is called in log, metrics and API, 1 to 64 printable ASCII characters. Required; no two have the same.
    pub name: String,
    /// The virtual addresses, IPv4, IPv6 or both. This machine must have them, or keepalived give them to it. Required.
    #[serde(deserialize_with = "values::addresses")]
    pub addresses: Vec<IpAddr>,
    /// TCP ports and ranges of them, such as `"554"` and `"1024-5000"`. Default: none.
    #[serde(default, deserialize_with = "parse::ports")]
    pub tcp: Vec<PortRange>,
    /// UDP ports and ranges of them. Default: none; there must be a TCP port or a UDP port.
    #[serde(default, deserialize_with = "parse::ports")]
    pub udp: Vec<PortRange>,
    /// The mark, 1 to 4294967295, of no other service. One outside of `marks` is Weir's from then on. Default: the next
    /// free one of `marks`, in the order of the file; connections stay with their service over a restart while it has its mark.
    #[serde(default, deserialize_with = "parse::mark")]
    pub mark: Option<u32>,
    /// How the kernel chooses a server: any scheduler that it has, by the name of its module without `ip_vs_`. Those that
    /// heed weights follow the load that agents report: `wlc`, `wrr`, `sed`, `nq`, `mh`, `sh`. `mh` and `sh` send clients
    /// of a server without weight to another one; `dh` cannot, and refuses them. Default: `"wlc"`, the fewest connections
    /// for the weight.
    #[serde(default = "Name::weighted_least_connections", deserialize_with = "parse::scheduler")]
    pub scheduler: Name,
    /// For how long after its last connection a client stays with its server, `"1s"` to `"744h"`. Needed where one client
    /// comes by several ports. Default: it does not.
    #[serde(default, deserialize_with = "parse::persistence")]
    pub persistence: Option<u32>,
    /// The leading bits of an IPv4 address that make a client for persistence, 1 to 32. Default: 32.
    #[serde(default = "whole4", deserialize_with = "values::within_u32::<_, 1, 32>")]
    pub persistence_prefix: u32,
    /// The leading bits of an IPv6 address that make a client for persistence, 1 to 128. Default: 128.
    #[serde(default = "whole6", deserialize_with = "values::within_u32::<_, 1, 128>")]
    pub persistence_prefix6: u32,
    /// Whether each UDP datagram is forwarded by itself, for protocols of one question and one answer. Default: false.
    #[serde(default)]
    pub one_packet: bool,
    /// How packets get to the servers: `"direct"`, `"nat"`, `"ipip"`, `"gue"`, `"gre"`, or `"local"` for the director
    /// itself. Default: `"direct"`, by which answers do not pass the director.
    #[serde(default)]
    pub method: Method,
    /// The UDP port that servers take `"gue"` on, 1 to 65535. Default: 6080, GUE's own (IANA).
    #[serde(default = "gue_port", deserialize_with = "values::within_u32::<_, 1, 65_535>")]
    pub gue_port: u32,
    /// Connections above which a server gets no more, 0 to 4294967295; 0 for no such limit. Default: 0.
    #[serde(default)]
    pub upper_threshold: u32,
    /// Connections below which it gets some again after that, 0 to `upper_threshold`; 0 for three quarters of that.
    /// Default: 0.
    #[serde(default)]
    pub lower_threshold: u32,
    /// Whether edges whose agents report are servers: `true` for all, or those of a zone, those that serve a protocol, or
    /// both, as in `{ zone = "eu", protocol = "rtsp" }`. An edge is sent packets at its redirect address, or if that is a
    /// name, at the address that its reports come from. Default: false.
    #[serde(default)]
    pub edges: Edges,
    /// Where clients go while fewer than `quorum` servers are up: an address, or one IPv4 and one IPv6 address. It is
    /// reached by `method`. Default: nowhere.
    #[serde(default, deserialize_with = "values::addresses")]
    pub sorry_server: Vec<IpAddr>,
    /// Servers that must be up, or the sorry server takes over, 1 to 65535. Default: 1.
    #[serde(default = "one", deserialize_with = "values::within_u32::<_, 1, 65_535>")]
    pub quorum: u32,
    /// Servers beyond `quorum` that must be up before the sorry server goes, 0 to 65535, so that it does not come and go
    /// with one of them. Default: 0.
    #[serde(default, deserialize_with = "values::within_u32::<_, 0, 65_535>")]
    pub hysteresis: u32,
    /// How long a drained server may keep connections, `"0s"` to `"744h"`; an operator's own deadline wins. Then it is
    /// deleted, and they with it. Default: `"10m"`; media streams of hours need more.
    #[serde(default = "ten_minutes", deserialize_with = "values::duration_within::<_, 0, 2_678_400_000>")]
    pub drain: Duration,
    /// How servers are checked. Default: they are not; edges are up while their agents report.
    pub check: Option<Check>,
    /// Servers that are there with or without an agent. Where an edge reports that has the address of one, its load counts.
    #[serde(rename = "server", default)]
    pub servers: Vec<Spanned<RealServer>>,
}

/// `[[kernel.service.server]]`: a server with an address of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealServer {
    /// Its address. Required; no two servers of a service have the same.
    #[serde(deserialize_with = "values::address")]
    pub address: IpAddr,
    /// Its share of the clients against the others', 1 to 65535. Load makes it less, down to 1: with a weight of 1 there
    /// is nothing to make less of. Default: 100.
    #[serde(default = "hundred", deserialize_with = "values::within_u32::<_, 1, { Destination::HEAVIEST }>")]
    pub weight: u32,
    /// How packets get there. Default: as to the others of the service.
    pub method: Option<Method>,
}

impl RealServer {
    /// How packets get there, when it is a server of this service.
    #[must_use]
    pub fn method(&self, service: &Service) -> Method {
        self.method.unwrap_or(service.method)
    }
}

fn whole4() -> u32 {
    32
}

fn whole6() -> u32 {
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
