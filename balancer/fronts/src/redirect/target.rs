//! Scheme, host and port of a client's destination.

use std::fmt;

use weir_fleet::{Edge, Protocol, Scheme};
use weir_protocol::Host;

use crate::redirect::RequestedUrl;
use crate::settings::{Application, OverflowTarget};

/// The start of a URL: `scheme://host` or `scheme://host:port`, and for an overflow target its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
    path: &'a str,
}

impl<'a> Target<'a> {
    /// The redirect target of a client of `protocol` on `edge`.
    ///
    /// The settings of the application take precedence, then the endpoint that the edge advertises for the preferred
    /// scheme, then its first endpoint for the protocol: a client keeps its encryption where possible, and HTTP players
    /// refuse to switch between http and https. An edge that advertises no endpoint for the protocol is assumed to
    /// serve as the listener's defaults say, or else like the balancer, with the client's own scheme and port.
    #[must_use]
    pub fn new(edge: &'a Edge, protocol: Protocol, requested: RequestedUrl<'a>, application: &Application) -> Self {
        Self::select(edge, requested, application, |scheme| protocol.has_scheme(scheme))
    }

    /// The destination on `edge` for relaying a client of `protocol`: as [`Target::new`], but without the endpoints
    /// that tunnel the protocol in another, such as `rtmpt`.
    pub(crate) fn for_relay(
        edge: &'a Edge,
        protocol: Protocol,
        requested: RequestedUrl<'a>,
        application: &Application,
    ) -> Self {
        Self::select(edge, requested, application, |scheme| {
            protocol.schemes().any(|known| known.as_str() == scheme && known.is_direct())
        })
    }

    fn select(
        edge: &'a Edge,
        requested: RequestedUrl<'a>,
        application: &Application,
        is_usable: impl Fn(&str) -> bool,
    ) -> Self {
        let preferred = application.scheme.map(Scheme::as_str).unwrap_or(requested.scheme);
        let endpoints = || edge.endpoints().iter().filter(|endpoint| is_usable(&endpoint.scheme));
        let endpoint = endpoints().find(|endpoint| *endpoint.scheme == *preferred).or_else(|| endpoints().next());
        let advertised = match endpoint {
            Some(endpoint) => Self {
                scheme: &endpoint.scheme,
                host: endpoint.host.as_deref().unwrap_or(edge.redirect()),
                port: Some(endpoint.port),
                path: "",
            },
            None => Self {
                scheme: requested.redirect_defaults.scheme.map(Scheme::as_str).unwrap_or(requested.scheme),
                host: edge.redirect(),
                port: requested.redirect_defaults.port.or(requested.port),
                path: "",
            },
        };
        Self {
            scheme: application.scheme.map(Scheme::as_str).unwrap_or(advertised.scheme),
            port: application.port.or(advertised.port),
            ..advertised
        }
    }

    /// The name or address of the host; an IPv6 address without brackets.
    pub(crate) fn host(&self) -> &'a str {
        self.host
    }

    /// The port, or the scheme's default.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port.or_else(|| default_port(self.scheme))
    }

    /// Whether connections are over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        Scheme::named(self.scheme).is_some_and(Scheme::is_secure)
    }

    pub(crate) fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The host as written in a URL.
    pub(crate) fn host_in_url(&self) -> impl fmt::Display {
        // Hosts were validated when the report was read; one that is invalid all the same is written unchanged.
        fmt::from_fn(|f| match Host::new(self.host) {
            Ok(host) => write!(f, "{}", host.in_url()),
            Err(_) => f.write_str(self.host),
        })
    }

    /// The port, unless it is the scheme's default.
    pub(crate) fn port_in_url(&self) -> Option<u16> {
        self.port.filter(|port| Some(*port) != default_port(self.scheme))
    }

    /// Whether there is a path besides scheme, host and port.
    pub(crate) fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// Whether the client requested this very host and port: it would come back and be redirected again.
    pub(crate) fn is_same_server(&self, requested: &RequestedUrl<'_>) -> bool {
        let port = |port: Option<u16>, scheme| port.or_else(|| default_port(scheme));
        requested.host.is_some_and(|host| host.eq_ignore_ascii_case(self.host))
            && port(requested.port, requested.scheme) == port(self.port, self.scheme)
    }
}

impl<'a> From<&'a OverflowTarget> for Target<'a> {
    fn from(overflow: &'a OverflowTarget) -> Self {
        let OverflowTarget { scheme, host, port, path, .. } = overflow;
        Self { scheme: scheme.as_str(), host, port: *port, path }
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

fn default_port(scheme: &str) -> Option<u16> {
    Scheme::named(scheme).map(Scheme::default_port)
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report};
    use weir_protocol::report::Endpoint;

    use super::*;
    use crate::redirect::RedirectDefaults;

    fn target(endpoints: &[Endpoint<'static>], scheme: &str, port: Option<u16>) -> String {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        report.endpoints.extend(endpoints.iter().copied());
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let protocol = Protocol::of_scheme(scheme).unwrap();
        let requested = RequestedUrl { scheme, host: None, port, redirect_defaults: RedirectDefaults::default() };
        Target::new(&edge, protocol, requested, &Application::DEFAULT).to_string()
    }

    fn endpoint(scheme: &'static str, host: Option<&'static str>, port: u16) -> Endpoint<'static> {
        Endpoint::new(scheme, port).at(host.map(|host| Host::new(host).unwrap()))
    }

    #[test]
    fn an_edge_that_advertises_no_endpoint_gets_the_client_s_scheme_and_port() {
        assert_eq!(target(&[], "rtmp", Some(1936)), "rtmp://edge1:1936");
        assert_eq!(target(&[], "rtmps", None), "rtmps://edge1");
    }

    #[test]
    fn advertised_endpoints_take_precedence_over_the_client_s_url() {
        let endpoints = [endpoint("rtsp", None, 8554), endpoint("rtmp", Some("::1"), 1937)];
        assert_eq!(target(&endpoints, "rtmp", Some(1935)), "rtmp://[::1]:1937");
        assert_eq!(target(&endpoints, "rtsp", Some(1935)), "rtsp://edge1:8554");
    }

    #[test]
    fn the_client_s_scheme_is_kept_if_the_edge_serves_it() {
        let both = [endpoint("rtmp", None, 1935), endpoint("rtmps", None, 443)];
        assert_eq!(target(&both, "rtmps", None), "rtmps://edge1");
        assert_eq!(target(&both, "rtmp", None), "rtmp://edge1");
        assert_eq!(target(&both[..1], "rtmps", None), "rtmp://edge1", "another scheme is better than no edge");
    }

    #[test]
    fn listener_defaults_override_the_client_and_application_settings_override_all() {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        let unadvertised = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        report.endpoints.push(endpoint("http", None, 8080));
        let advertised = Edge::new(id(2), &report, SOURCE, &ANYWHERE, at(0).into());
        let redirect_defaults = RedirectDefaults { scheme: Scheme::named("https"), port: Some(8443) };
        let requested = RequestedUrl { scheme: "http", host: None, port: Some(80), redirect_defaults };
        let url_of =
            |edge, application: &Application| Target::new(edge, Protocol::Http, requested, application).to_string();
        assert_eq!(url_of(&unadvertised, &Application::DEFAULT), "https://edge1:8443");
        assert_eq!(url_of(&advertised, &Application::DEFAULT), "http://edge1:8080");
        let application = Application { scheme: Scheme::named("https"), port: Some(444), ..Application::DEFAULT };
        assert_eq!(url_of(&unadvertised, &application), "https://edge1:444");
        assert_eq!(url_of(&advertised, &application), "https://edge1:444");
    }

    #[test]
    fn a_target_at_the_requested_host_and_port_is_recognised() {
        let mut report = report();
        report.redirect = Host::new("LB.example.com").ok();
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let comes_back = |scheme, host, port| {
            let requested = RequestedUrl { scheme, host, port, redirect_defaults: RedirectDefaults::default() };
            Target::new(&edge, Protocol::Rtmp, requested, &Application::DEFAULT).is_same_server(&requested)
        };
        assert!(comes_back("rtmp", Some("lb.example.com"), None));
        assert!(comes_back("rtmp", Some("lb.example.com"), Some(1936)));
        assert!(!comes_back("rtmp", Some("other.example.com"), None));
        assert!(!comes_back("rtmp", None, None));
        report.endpoints.push(endpoint("rtmp", None, 1935));
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let requested = |port| RequestedUrl {
            scheme: "rtmp",
            host: Some("lb.example.com"),
            port,
            redirect_defaults: RedirectDefaults::default(),
        };
        let comes_back = |port| {
            Target::new(&edge, Protocol::Rtmp, requested(port), &Application::DEFAULT).is_same_server(&requested(port))
        };
        assert!(comes_back(None) && comes_back(Some(1935)) && !comes_back(Some(1936)));
    }

    #[test]
    fn a_default_port_is_left_out() {
        assert_eq!(target(&[endpoint("http", None, 80)], "http", Some(1935)), "http://edge1");
        assert_eq!(target(&[endpoint("rtsp", None, 554)], "rtsp", Some(1935)), "rtsp://edge1");
    }

    #[test]
    fn an_overflow_target_has_scheme_host_port_and_path() {
        let url_of = |url: &str| url.parse::<OverflowTarget>().map(|overflow| Target::from(&overflow).to_string());
        for (url, expected) in [
            ("https://cdn.example.com", "https://cdn.example.com"),
            ("HTTP://cdn.example.com:80/weir/", "http://cdn.example.com/weir"),
            ("rtmp://[2001:db8::1]:1936", "rtmp://[2001:db8::1]:1936"),
        ] {
            assert_eq!(url_of(url), Ok(expected.to_owned()), "{url}");
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
            assert!(url_of(url).is_err(), "{url}");
        }
    }
}
