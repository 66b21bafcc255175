//! What an edge reports about itself, apart from its load.

use std::borrow::Cow;

use weir_protocol::report::{self, Capacity};
use weir_protocol::{Host, Name, Report};

use crate::edge::Origin;
use crate::load::weight;
use crate::protocol::{Protocol, Scheme};
use crate::settings::FleetSettings;
use crate::zone_id::ZoneId;

/// What an edge reports about itself, apart from its load.
#[derive(Debug)]
pub(super) struct Description {
    /// The host name or address that clients are redirected to; see [`Host`].
    pub(super) redirect: Box<str>,
    pub(super) endpoints: Box<[Endpoint]>,
    /// The bits of the [`Protocol`]s that the edge serves.
    pub(super) protocols: u8,
    /// The share of clients relative to other edges.
    pub(super) weight: f32,
    max_connections: Limit,
    max_bits_per_second: Limit,
    /// The zone, whether it is configured or not.
    pub(super) zone: Option<Box<str>>,
    /// The zone, if it is configured.
    pub(super) zone_id: Option<ZoneId>,
    pub(super) origin: Origin,
    /// Whether clients may be redirected to every host that the edge names.
    pub(super) is_allowed: bool,
}

/// One endpoint of an edge: a URL scheme, and where it is served.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL scheme: `rtmp`, `rtmps`, `rtsp`, `http`, …
    pub scheme: Cow<'static, str>,
    /// The host, if it differs from the redirect address of the edge.
    pub host: Option<Box<str>>,
    /// The port.
    pub port: u16,
}

/// An optional limit in eight bytes, since there are two for each of 100,000 edges.
#[derive(Clone, Copy, Debug)]
struct Limit(u64);

impl Description {
    pub(super) fn new(report: &Report<'_>, origin: Origin, settings: &FleetSettings) -> Self {
        let limits = &settings.redirect_limits;
        let endpoints: Box<[Endpoint]> = report.endpoints.iter().map(Endpoint::from).collect();
        let redirect: Box<str> =
            report.redirect.map_or_else(|| origin.source.to_string().into(), |host| host.as_str().into());
        let mut hosts = endpoints.iter().filter_map(|endpoint| endpoint.host.as_deref());
        Self {
            is_allowed: limits.allow(&redirect) && hosts.all(|host| limits.allow(host)),
            redirect,
            protocols: Protocol::ALL
                .into_iter()
                .filter(|protocol| {
                    endpoints.is_empty() || endpoints.iter().any(|endpoint| protocol.has_scheme(&endpoint.scheme))
                })
                .fold(0, |bits, protocol| bits | protocol.bit()),
            endpoints,
            weight: weight(report),
            max_connections: Limit::new(report.capacity.connections),
            max_bits_per_second: Limit::new(report.capacity.bits_per_second),
            zone: report.zone.map(|zone| zone.as_str().into()),
            zone_id: report.zone.and_then(|zone| settings.zones.id(zone.as_str())),
            origin,
        }
    }

    pub(super) fn capacity(&self) -> Capacity {
        Capacity::UNLIMITED
            .with_connections(self.max_connections.value())
            .with_bits_per_second(self.max_bits_per_second.value())
    }

    /// Returns whether a report has this description. Allocates nothing.
    pub(super) fn matches(&self, report: &Report<'_>, origin: Origin) -> bool {
        let same_redirect = match report.redirect {
            Some(host) => host.as_str() == &*self.redirect,
            None => self.redirect.parse() == Ok(origin.source),
        };
        same_redirect
            && self.origin == origin
            && weight(report).to_bits() == self.weight.to_bits()
            && report.capacity == self.capacity()
            && report.zone.map(Name::as_str) == self.zone.as_deref()
            && report.endpoints.len() == self.endpoints.len()
            && report.endpoints.iter().zip(&self.endpoints).all(|(theirs, ours)| ours.matches(theirs))
    }
}

impl Endpoint {
    fn matches(&self, other: &report::Endpoint<'_>) -> bool {
        self.port == other.port && *self.scheme == *other.scheme && self.host.as_deref() == other.host.map(Host::as_str)
    }
}

impl From<&report::Endpoint<'_>> for Endpoint {
    fn from(endpoint: &report::Endpoint<'_>) -> Self {
        Self {
            scheme: scheme(endpoint.scheme),
            host: endpoint.host.map(|host| host.as_str().into()),
            port: endpoint.port,
        }
    }
}

/// Returns a scheme that takes no memory of its own if it is a well-known one.
fn scheme(name: &str) -> Cow<'static, str> {
    let known = Protocol::ALL.into_iter().flat_map(Protocol::schemes).map(Scheme::as_str).find(|known| *known == name);
    known.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

impl Limit {
    /// Stands for no limit. No edge has one this high.
    const NONE: u64 = u64::MAX;

    fn new(limit: Option<u64>) -> Self {
        Self(limit.unwrap_or(Self::NONE))
    }

    fn value(self) -> Option<u64> {
        (self.0 != Self::NONE).then_some(self.0)
    }
}
