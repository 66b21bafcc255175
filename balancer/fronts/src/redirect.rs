//! Where a client is sent: scheme, host and port on an edge, or a place elsewhere.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use weir_fleet::{Edge, Protocol, Reason, Scheme};
use weir_protocol::Host;

use crate::settings::Application;

/// Where the client thought that it was going.
#[derive(Clone, Copy, Debug)]
pub struct RequestedUrl<'a> {
    /// The scheme of its URL.
    pub scheme: &'a str,
    /// The host of its URL, when it would be redirected from there again.
    pub host: Option<&'a str>,
    /// The port of its URL, when it named one.
    pub port: Option<u16>,
    /// What the listener that it came to is told.
    pub told: RedirectDefaults,
}

/// What a listener is told of redirects, for edges that advertise nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedirectDefaults {
    /// The scheme, in place of the client's.
    pub scheme: Option<Scheme>,
    /// The port, in place of the client's.
    pub port: Option<u16>,
}

/// What was chosen for a client.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(super) destination: Destination,
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(super) enum Destination {
    Edge(Arc<Edge>),
    Overflow(Arc<OverflowTarget>),
}

impl Assignment {
    /// The host alone, for clients that know the rest.
    pub(crate) fn host(&self) -> &str {
        match &self.destination {
            Destination::Edge(edge) => edge.redirect(),
            Destination::Overflow(elsewhere) => &elsewhere.host,
        }
    }

    /// The edge, if it is one.
    pub(crate) fn edge(&self) -> Option<&Arc<Edge>> {
        match &self.destination {
            Destination::Edge(edge) => Some(edge),
            Destination::Overflow(_) => None,
        }
    }

    /// The beginning of the URL that a client of `protocol` is sent to.
    pub(crate) fn target<'a>(
        &'a self,
        protocol: Protocol,
        asked: RequestedUrl<'a>,
        application: &Application,
    ) -> Target<'a> {
        match &self.destination {
            Destination::Edge(edge) => Target::new(edge, protocol, asked, application),
            Destination::Overflow(elsewhere) => elsewhere.target(),
        }
    }

    /// Where the bytes of a client of `protocol` are carried.
    pub(super) fn relay_target<'a>(
        &'a self,
        protocol: Protocol,
        asked: RequestedUrl<'a>,
        application: &Application,
    ) -> Target<'a> {
        match &self.destination {
            Destination::Edge(edge) => Target::of_relay(edge, protocol, asked, application),
            Destination::Overflow(elsewhere) => elsewhere.target(),
        }
    }
}

/// A place for clients that no edge can take: the beginning of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverflowTarget {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// Empty, or from a slash to before the last one.
    path: String,
}

/// The text is not the beginning of a URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the beginning of a URL: expected SCHEME://HOST, such as \"https://cdn.example.com\", with a port or \
     path if need be, and no query"
)]
pub struct ParseOverflowTargetError(String);

impl FromStr for OverflowTarget {
    type Err = ParseOverflowTargetError;

    fn from_str(text: &str) -> Result<Self, ParseOverflowTargetError> {
        let wrong = || ParseOverflowTargetError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let known = Protocol::ALL.iter().any(|protocol| protocol.has_scheme(&scheme.to_ascii_lowercase()));
        let plain = uri.query().is_none() && !authority.as_str().contains('@') && !text.contains('#');
        // A port that is none is passed over by the parser.
        let plain = plain && (authority.port_u16().is_some() || authority.as_str() == authority.host());
        if !known || !plain || Host::new(host).is_err() {
            return Err(wrong());
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            port: authority.port_u16(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl OverflowTarget {
    /// The protocol that is spoken there.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| protocol.has_scheme(&self.scheme))
    }

    fn target(&self) -> Target<'_> {
        Target { scheme: &self.scheme, host: &self.host, port: self.port, path: &self.path }
    }
}

/// The beginning of a URL: shown as `scheme://host` or `scheme://host:port`, and on other places than edges a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
    path: &'a str,
}

impl<'a> Target<'a> {
    /// Where on `edge` a client of `protocol` is sent.
    ///
    /// What is configured for the application wins. Then what the edge advertises, its endpoint for the very scheme that
    /// is wanted before another of the protocol: a client keeps its encryption where it can, and HTTP players refuse to
    /// change between http and https. An edge that advertises nothing is taken to serve as the listener is told, or else
    /// as the balancer does, with the client's scheme and port.
    #[must_use]
    pub fn new(edge: &'a Edge, protocol: Protocol, asked: RequestedUrl<'a>, application: &Application) -> Self {
        Self::among(edge, asked, application, |scheme| protocol.has_scheme(scheme))
    }

    /// Where on `edge` the bytes of a client of `protocol` are carried: as [`Target::new`], but for endpoints that take
    /// the protocol inside of another, as `rtmpt` does.
    pub(super) fn of_relay(
        edge: &'a Edge,
        protocol: Protocol,
        asked: RequestedUrl<'a>,
        application: &Application,
    ) -> Self {
        Self::among(edge, asked, application, |scheme| protocol.plain_schemes().contains(&scheme))
    }

    fn among(
        edge: &'a Edge,
        asked: RequestedUrl<'a>,
        application: &Application,
        serves: impl Fn(&str) -> bool,
    ) -> Self {
        let wanted = application.scheme.map(Scheme::as_str).unwrap_or(asked.scheme);
        let endpoints = || edge.endpoints().iter().filter(|endpoint| serves(&endpoint.scheme));
        let endpoint = endpoints().find(|endpoint| *endpoint.scheme == *wanted).or_else(|| endpoints().next());
        let advertised = match endpoint {
            Some(endpoint) => Self {
                scheme: &endpoint.scheme,
                host: endpoint.host.as_deref().unwrap_or(edge.redirect()),
                port: Some(endpoint.port),
                path: "",
            },
            None => Self {
                scheme: asked.told.scheme.map(Scheme::as_str).unwrap_or(asked.scheme),
                host: edge.redirect(),
                port: asked.told.port.or(asked.port),
                path: "",
            },
        };
        Self {
            scheme: application.scheme.map(Scheme::as_str).unwrap_or(advertised.scheme),
            port: application.port.or(advertised.port),
            ..advertised
        }
    }
}

impl<'a> Target<'a> {
    /// The name or address of the host; an IPv6 address without brackets.
    pub(super) fn host(&self) -> &'a str {
        self.host
    }

    /// The port, whether the URL names it or means it.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.or_else(|| default_port(self.scheme))
    }

    /// Whether it is reached over TLS.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.scheme, "https" | "rtmps" | "rtmpts" | "rtsps")
    }

    /// The scheme.
    pub(super) fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The host, as it stands in a URL.
    pub(super) fn host_in_url(&self) -> impl fmt::Display {
        // Every host of an edge was checked when its report was read; one that is none after all is shown as it is.
        fmt::from_fn(|f| match Host::new(self.host) {
            Ok(host) => write!(f, "{}", host.in_url()),
            Err(_) => f.write_str(self.host),
        })
    }

    /// The port, when it is not the one that the scheme means.
    pub(super) fn port_in_url(&self) -> Option<u16> {
        self.port.filter(|port| Some(*port) != default_port(self.scheme))
    }

    /// Whether it is more than scheme, host and port.
    pub(super) fn has_path(&self) -> bool {
        !self.path.is_empty()
    }
}

impl Target<'_> {
    /// Whether it is where the client has just asked: it would come back, and be redirected again.
    pub(super) fn is_where(&self, asked: &RequestedUrl<'_>) -> bool {
        let port = |port: Option<u16>, scheme| port.or_else(|| default_port(scheme));
        asked.host.is_some_and(|host| host.eq_ignore_ascii_case(self.host))
            && port(asked.port, asked.scheme) == port(self.port, self.scheme)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host_in_url())?;
        if let Some(port) = self.port_in_url() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.path)
    }
}

/// The port that a URL of this scheme means when it names none.
fn default_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "http" | "rtmpt" | "rtmpte" => 80,
        "https" | "rtmps" | "rtmpts" => 443,
        "rtmp" | "rtmpe" => 1935,
        "rtsp" | "rtspu" | "rtspt" => 554,
        "rtsps" => 322,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report};
    use weir_protocol::report::Endpoint;

    use super::*;

    fn target(endpoints: &[Endpoint<'static>], scheme: &str, port: Option<u16>) -> String {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        report.endpoints.extend(endpoints.iter().copied());
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.has_scheme(scheme)).unwrap();
        let asked = RequestedUrl { scheme, host: None, port, told: RedirectDefaults::default() };
        Target::new(&edge, protocol, asked, &Application::DEFAULT).to_string()
    }

    fn endpoint(scheme: &'static str, host: Option<&'static str>, port: u16) -> Endpoint<'static> {
        Endpoint::new(scheme, port).at(host.map(|host| Host::new(host).unwrap()))
    }

    #[test]
    fn an_edge_that_advertises_nothing_is_reached_as_the_balancer_was() {
        assert_eq!(target(&[], "rtmp", Some(1936)), "rtmp://edge1:1936");
        assert_eq!(target(&[], "rtmps", None), "rtmps://edge1");
    }

    #[test]
    fn what_the_edge_advertises_wins() {
        let endpoints = [endpoint("rtsp", None, 8554), endpoint("rtmp", Some("::1"), 1937)];
        assert_eq!(target(&endpoints, "rtmp", Some(1935)), "rtmp://[::1]:1937");
        assert_eq!(target(&endpoints, "rtsp", Some(1935)), "rtsp://edge1:8554");
    }

    #[test]
    fn the_scheme_that_the_client_used_is_kept_if_it_can_be() {
        let both = [endpoint("rtmp", None, 1935), endpoint("rtmps", None, 443)];
        assert_eq!(target(&both, "rtmps", None), "rtmps://edge1");
        assert_eq!(target(&both, "rtmp", None), "rtmp://edge1");
        assert_eq!(target(&both[..1], "rtmps", None), "rtmp://edge1", "rather an edge than none");
    }

    #[test]
    fn a_listener_may_know_better_than_the_client_and_an_application_than_all() {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        let silent = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        report.endpoints.push(endpoint("http", None, 8080));
        let advertises = Edge::new(id(2), &report, SOURCE, &ANYWHERE, at(0).into());
        let told = RedirectDefaults { scheme: Scheme::named("https"), port: Some(8443) };
        let asked = RequestedUrl { scheme: "http", host: None, port: Some(80), told };
        let shown = |edge, application: &Application| Target::new(edge, Protocol::Http, asked, application).to_string();
        assert_eq!(shown(&silent, &Application::DEFAULT), "https://edge1:8443");
        assert_eq!(shown(&advertises, &Application::DEFAULT), "http://edge1:8080");
        let application = Application { scheme: Scheme::named("https"), port: Some(444), ..Application::DEFAULT };
        assert_eq!(shown(&silent, &application), "https://edge1:444");
        assert_eq!(shown(&advertises, &application), "https://edge1:444");
    }

    #[test]
    fn a_client_that_would_come_back_is_noticed_whatever_its_url_looks_like() {
        let mut report = report();
        report.redirect = Host::new("LB.example.com").ok();
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let comes_back = |scheme, host, port| {
            let asked = RequestedUrl { scheme, host, port, told: RedirectDefaults::default() };
            Target::new(&edge, Protocol::Rtmp, asked, &Application::DEFAULT).is_where(&asked)
        };
        assert!(comes_back("rtmp", Some("lb.example.com"), None));
        assert!(comes_back("rtmp", Some("lb.example.com"), Some(1936)));
        assert!(!comes_back("rtmp", Some("other.example.com"), None));
        assert!(!comes_back("rtmp", None, None));
        report.endpoints.push(endpoint("rtmp", None, 1935));
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let asked = |port| RequestedUrl {
            scheme: "rtmp",
            host: Some("lb.example.com"),
            port,
            told: RedirectDefaults::default(),
        };
        let comes_back =
            |port| Target::new(&edge, Protocol::Rtmp, asked(port), &Application::DEFAULT).is_where(&asked(port));
        assert!(comes_back(None) && comes_back(Some(1935)) && !comes_back(Some(1936)));
    }

    #[test]
    fn a_default_port_is_not_named() {
        assert_eq!(target(&[endpoint("http", None, 80)], "http", Some(1935)), "http://edge1");
        assert_eq!(target(&[endpoint("rtsp", None, 554)], "rtsp", Some(1935)), "rtsp://edge1");
    }

    #[test]
    fn a_place_elsewhere_is_the_beginning_of_a_url() {
        let shown = |url: &str| url.parse::<OverflowTarget>().map(|elsewhere| elsewhere.target().to_string());
        for (url, expected) in [
            ("https://cdn.example.com", "https://cdn.example.com"),
            ("HTTP://cdn.example.com:80/weir/", "http://cdn.example.com/weir"),
            ("rtmp://[2001:db8::1]:1936", "rtmp://[2001:db8::1]:1936"),
        ] {
            assert_eq!(shown(url), Ok(expected.to_owned()), "{url}");
        }
        for url in [
            "",
            "cdn",
            "/x",
            "ftp://cdn",
            "http://",
            "http://a@cdn",
            "http://cdn/?x",
            "http://cdn/#x",
            "http://cdn:80443",
        ] {
            assert!(shown(url).is_err(), "{url}");
        }
    }
}
