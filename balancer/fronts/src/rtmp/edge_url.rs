//! The URLs of a client's application and stream, as requested and on its edge.

use weir_fleet::{Protocol, Scheme};

use super::connect::Connect;
use super::tc_url::TcUrl;
use crate::client::Client;
use crate::redirect::{Assignment, RequestedUrl};
use crate::settings::Application;

/// Returns the URL that the client requested.
pub(super) fn requested_url(client: Client, connect: &Connect) -> RequestedUrl<'_> {
    let requested = client.requested_url(Protocol::Rtmp);
    let Some(url) = tc_url(connect) else { return requested };
    // For a scheme outside the RTMP family, the protocol that the client speaks decides.
    let scheme = Protocol::Rtmp.scheme_named(url.scheme).map_or(requested.scheme, Scheme::as_str);
    RequestedUrl { scheme, host: Some(url.host), port: url.port, redirect_defaults: client.redirect_defaults }
}

/// Returns the parsed tcUrl. An invalid one is treated as absent; the application then takes its place.
fn tc_url(connect: &Connect) -> Option<TcUrl<'_>> {
    connect.tc_url.as_deref().and_then(|url| TcUrl::parse(url).ok())
}

/// Returns the URL for the client to connect to: its own connect URL with the scheme, host and port of its assignment.
pub(super) fn connect_url(
    assignment: &Assignment,
    client: Client,
    connect: &Connect,
    application: &Application,
) -> String {
    url(assignment, client, connect, application, None)
}

/// Returns the URL of a stream: the connect URL with the name of the stream after the path. The query of the name comes
/// before that of the connect URL.
pub(super) fn stream_url(
    assignment: &Assignment,
    client: Client,
    connect: &Connect,
    application: &Application,
    name: &str,
) -> String {
    url(assignment, client, connect, application, Some(name))
}

fn url(
    assignment: &Assignment,
    client: Client,
    connect: &Connect,
    application: &Application,
    name: Option<&str>,
) -> String {
    let tc_url = tc_url(connect);
    let (path, query) = match tc_url {
        Some(url) => (url.path.trim_start_matches('/'), url.query),
        None => match connect.app.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&connect.app[..], None),
        },
    };
    let path = application.app.as_deref().unwrap_or(path);
    let mut url = assignment.target(Protocol::Rtmp, requested_url(client, connect), application).to_string();
    if !path.is_empty() {
        url.push('/');
        url.push_str(path);
    }
    if let Some(name) = name {
        if !url.ends_with('/') {
            url.push('/');
        }
        url.push_str(name.trim_start_matches('/'));
    }
    if let Some(query) = query {
        url.push(if name.is_some_and(|name| name.contains('?')) { '&' } else { '?' });
        url.push_str(query);
    }
    url
}

/// Returns the path that identifies a stream on every edge and over every protocol: its application, without instance
/// and query, and its name.
pub(super) fn stream_path(connect: &Connect, name: &str) -> String {
    let path = connect.app.split('?').next().unwrap_or_default();
    let application = path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    format!("{application}/{}", name.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report};
    use weir_fleet::{Edge, Reason};
    use weir_protocol::Host;

    use super::super::connect::tests::connect;
    use super::*;
    use crate::fixtures::CLIENT;
    use crate::redirect::Destination;

    fn urls(application: &Application, app: &str, tc_url: Option<&str>, name: &str) -> [String; 2] {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let assignment = Assignment { destination: Destination::Edge(Arc::new(edge)), reason: Reason::Policy };
        let client = Client { listener_port: 19350, ..CLIENT };
        let connect = Connect { tc_url: tc_url.map(str::to_owned), ..connect(app) };
        [
            connect_url(&assignment, client, &connect, application),
            stream_url(&assignment, client, &connect, application, name),
        ]
    }

    fn default_urls(app: &str, tc_url: Option<&str>, name: &str) -> [String; 2] {
        urls(&Application::DEFAULT, app, tc_url, name)
    }

    #[test]
    fn a_redirect_changes_nothing_but_the_server() {
        assert_eq!(
            default_urls("live", Some("rtmp://lb:1936/live/inst?a=b"), "camera"),
            ["rtmp://edge1:1936/live/inst?a=b", "rtmp://edge1:1936/live/inst/camera?a=b"]
        );
        assert_eq!(
            default_urls("live", Some("RTMP://lb/live/"), "camera?c=d"),
            ["rtmp://edge1/live/", "rtmp://edge1/live/camera?c=d"]
        );
        assert_eq!(
            default_urls("live?a=b", Some("rtmp://lb/live?a=b"), "/camera?c=d"),
            ["rtmp://edge1/live?a=b", "rtmp://edge1/live/camera?c=d&a=b"]
        );
    }

    #[test]
    fn a_configured_application_replaces_the_whole_path() {
        let renamed = Application { app: Some("edge".to_owned()), ..Application::DEFAULT };
        assert_eq!(
            urls(&renamed, "live", Some("rtmp://lb/live/inst?a=b"), "camera"),
            ["rtmp://edge1/edge?a=b", "rtmp://edge1/edge/camera?a=b"]
        );
        assert_eq!(
            urls(&renamed, "live", None, "camera"),
            ["rtmp://edge1:19350/edge", "rtmp://edge1:19350/edge/camera"]
        );
    }

    #[test]
    fn a_client_without_a_url_is_redirected_to_its_application() {
        assert_eq!(default_urls("live", None, "camera"), ["rtmp://edge1:19350/live", "rtmp://edge1:19350/live/camera"]);
        assert_eq!(default_urls("live?a", None, "c"), ["rtmp://edge1:19350/live?a", "rtmp://edge1:19350/live/c?a"]);
    }

    #[test]
    fn a_stream_has_one_path_however_its_application_is_written() {
        for app in ["live", "live/", "/live", "live?key=/a/b", "live/inst", "live/_definst_?a"] {
            assert_eq!(stream_path(&connect(app), "camera?token=a"), "live/camera?token=a", "{app}");
        }
        assert_eq!(stream_path(&connect(""), "/camera"), "/camera");
    }
}
