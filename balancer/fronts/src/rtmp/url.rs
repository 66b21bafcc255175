//! What clients are told: the URL of their application, and of their stream, on an edge.

use weir_fleet::Protocol;

use super::{Connect, TcUrl};
use crate::Client;
use crate::redirect::{Assignment, RequestedUrl};
use crate::settings::Application;

/// The schemes of the RTMP family. A client whose URL has another one is taken by what it speaks.
const SCHEMES: [&str; 6] = ["rtmp", "rtmps", "rtmpt", "rtmpe", "rtmpte", "rtmpts"];

/// Where the client thought that it was going.
pub(super) fn asked(client: Client, connect: &Connect) -> RequestedUrl<'_> {
    let asked = client.asked(Protocol::Rtmp);
    let Some(url) = tc_url(connect) else { return asked };
    // Schemes are compared regardless of case (RFC 3986 section 3.1); endpoints are in lower case.
    let known = SCHEMES.into_iter().find(|scheme| url.scheme.eq_ignore_ascii_case(scheme));
    RequestedUrl { scheme: known.unwrap_or(asked.scheme), host: Some(url.host), port: url.port, told: client.told }
}

/// A tcUrl that is none says nothing: the application has to do.
fn tc_url(connect: &Connect) -> Option<TcUrl<'_>> {
    connect.tc_url.as_deref().and_then(|url| TcUrl::parse(url).ok())
}

/// What the client is to connect to at its destination: its own connect URL with another scheme, host and port.
pub(super) fn connect_url(
    destination: &Assignment,
    client: Client,
    connect: &Connect,
    application: &Application,
) -> String {
    url(destination, client, connect, application, None)
}

/// The URL of a stream at its destination: the connect URL with the stream's name after the path. A query of the name's own
/// is kept, and the connect's after it.
pub(super) fn stream_url(
    destination: &Assignment,
    client: Client,
    connect: &Connect,
    application: &Application,
    name: &str,
) -> String {
    url(destination, client, connect, application, Some(name))
}

fn url(
    destination: &Assignment,
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
    let mut url = destination.target(Protocol::Rtmp, asked(client, connect), application).to_string();
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

/// The path by which a stream is told from others, whichever edge and protocol it is asked for over: its application,
/// without instance and query, and its name.
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
    use crate::redirect::Destination;
    use crate::tests::CLIENT;

    fn urls(application: &Application, app: &str, tc_url: Option<&str>, name: &str) -> [String; 2] {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let destination = Assignment { destination: Destination::Edge(Arc::new(edge)), reason: Reason::Policy };
        let client = Client { listener_port: 19350, ..CLIENT };
        let connect = Connect { tc_url: tc_url.map(str::to_owned), ..connect(app) };
        [
            connect_url(&destination, client, &connect, application),
            stream_url(&destination, client, &connect, application, name),
        ]
    }

    fn both(app: &str, tc_url: Option<&str>, name: &str) -> [String; 2] {
        urls(&Application::DEFAULT, app, tc_url, name)
    }

    #[test]
    fn everything_but_the_server_is_kept() {
        assert_eq!(
            both("live", Some("rtmp://lb:1936/live/inst?a=b"), "camera"),
            ["rtmp://edge1:1936/live/inst?a=b", "rtmp://edge1:1936/live/inst/camera?a=b"]
        );
        assert_eq!(
            both("live", Some("RTMP://lb/live/"), "camera?c=d"),
            ["rtmp://edge1/live/", "rtmp://edge1/live/camera?c=d"]
        );
        assert_eq!(
            both("live?a=b", Some("rtmp://lb/live?a=b"), "/camera?c=d"),
            ["rtmp://edge1/live?a=b", "rtmp://edge1/live/camera?c=d&a=b"]
        );
    }

    #[test]
    fn another_application_takes_the_place_of_the_whole_path() {
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
    fn a_client_without_a_url_is_sent_to_its_application() {
        assert_eq!(both("live", None, "camera"), ["rtmp://edge1:19350/live", "rtmp://edge1:19350/live/camera"]);
        assert_eq!(both("live?a", None, "c"), ["rtmp://edge1:19350/live?a", "rtmp://edge1:19350/live/c?a"]);
    }

    #[test]
    fn a_stream_has_one_path_whatever_its_application_is_written_with() {
        for app in ["live", "live/", "/live", "live?key=/a/b", "live/inst", "live/_definst_?a"] {
            assert_eq!(stream_path(&connect(app), "camera?token=a"), "live/camera?token=a", "{app}");
        }
        assert_eq!(stream_path(&connect(""), "/camera"), "/camera");
    }
}
