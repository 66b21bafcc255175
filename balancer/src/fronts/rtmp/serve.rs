//! One RTMP connection: the session, its socket, and the edge for a client that connects.

use std::sync::Arc;

use tracing::debug;

use super::session::Event;
use super::{Connect, Redirect, Session, TcUrl, write_rejection};
use crate::config::Application;
use crate::fleet::Protocol;
use crate::fronts::conversation::{Conversation, Progress, hold};
use crate::fronts::incoming::Incoming;
use crate::fronts::redirect::{Asked, Destination};
use crate::fronts::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(in crate::fronts) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    let session = Session::new(front.limits().rtmp);
    hold(incoming, front.limits(), Caller { front: &front, client, session }).await;
}

/// A client, and how far it has come.
struct Caller<'f> {
    front: &'f Front,
    client: Client,
    session: Session,
}

impl Conversation for Caller<'_> {
    fn advance(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Progress {
        match self.session.receive(&mut input, output) {
            Ok(None) => Progress::More,
            Ok(Some(Event::Command(_))) => Progress::More,
            Ok(Some(Event::Connect(connect))) => {
                answer(self.front, self.client, &connect, output);
                Progress::Last
            }
            Err(error) => {
                self.front.metrics().reject_client(Protocol::Rtmp.name(), error.reason());
                debug!(client = %self.client.address, %error, "rtmp");
                error.write_refusal(output);
                Progress::Last
            }
        }
    }

    /// A client that has not connected yet has no message to be told anything with.
    fn time_out(&mut self, _output: &mut Vec<u8>) {
        self.front.metrics().reject_client(Protocol::Rtmp.name(), "timeout");
    }
}

/// Rejects a connect: with the address of an edge, or, when there is none, without.
fn answer(front: &Front, client: Client, connect: &Connect, output: &mut Vec<u8>) {
    // A connect names an application and no stream: that comes with play or publish, when it is too late to redirect.
    match front.choose(client, Protocol::Rtmp, Some(Protocol::Rtmp), None) {
        Ok(destination) => {
            let url = connect_url(&destination, client, connect, front.application(Protocol::Rtmp, &connect.app));
            debug!(client = %client.address, app = %connect.app.escape_debug(), %url, "rtmp redirect");
            let redirect = Redirect { connect_url: &url, stream_url: None };
            write_rejection(output, connect.transaction, "Redirected to the least loaded server.", Some(redirect));
        }
        Err(refusal) => {
            debug!(client = %client.address, app = %connect.app.escape_debug(), %refusal, "rtmp");
            write_rejection(output, connect.transaction, "No server is available now.", None);
        }
    }
}

/// What the client is to connect to at its destination: its own connect URL with another scheme, host and port.
fn connect_url(destination: &Destination, client: Client, connect: &Connect, application: &Application) -> String {
    // A tcUrl that is none says nothing: the application has to do.
    let url = connect.tc_url.as_deref().and_then(|url| TcUrl::parse(url).ok());
    let Some(TcUrl { scheme, port, path, query, .. }) = url else {
        let target = destination.target(Protocol::Rtmp, client.asked(Protocol::Rtmp), application);
        return match &application.app {
            Some(app) => format!("{target}/{app}"),
            None => format!("{target}/{}", connect.app),
        };
    };
    let renamed = application.app.as_ref().map(|app| format!("/{app}"));
    let path = renamed.as_deref().unwrap_or(path);
    // Schemes are compared regardless of case (RFC 3986 section 3.1); endpoints are in lower case.
    let scheme = scheme.to_ascii_lowercase();
    let target = destination.target(Protocol::Rtmp, Asked { scheme: &scheme, port, told: client.told }, application);
    match query {
        Some(query) => format!("{target}{path}?{query}"),
        None => format!("{target}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::Host;

    use super::super::connect::tests::connect;
    use super::*;
    use crate::fleet::tests::{ANYWHERE, SOURCE, at, id, report};
    use crate::fleet::{Edge, Reason};
    use crate::fronts::redirect::Place;
    use crate::fronts::tests::CLIENT;

    fn url(app: &str, tc_url: Option<&str>) -> String {
        url_for(&Application::DEFAULT, app, tc_url)
    }

    fn url_for(application: &Application, app: &str, tc_url: Option<&str>) -> String {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        let edge = Edge::new(id(1), &report, SOURCE, &ANYWHERE, at(0).into());
        let destination = Destination { place: Place::Edge(Arc::new(edge)), reason: Reason::Policy };
        let client = Client { listener_port: 19350, ..CLIENT };
        let connect = Connect { tc_url: tc_url.map(str::to_owned), ..connect(app) };
        connect_url(&destination, client, &connect, application)
    }

    #[test]
    fn everything_but_the_server_is_kept() {
        assert_eq!(url("live", Some("rtmp://lb:1936/live/inst?a=b")), "rtmp://edge1:1936/live/inst?a=b");
        assert_eq!(url("live", Some("RTMP://lb/live")), "rtmp://edge1/live");
    }

    #[test]
    fn another_application_takes_the_place_of_the_whole_path() {
        let renamed = Application { app: Some("edge".to_owned()), ..Application::DEFAULT };
        assert_eq!(url_for(&renamed, "live", Some("rtmp://lb/live/inst?a=b")), "rtmp://edge1/edge?a=b");
        assert_eq!(url_for(&renamed, "live", None), "rtmp://edge1:19350/edge");
    }

    #[test]
    fn a_client_without_a_url_is_sent_to_its_application() {
        assert_eq!(url("live", None), "rtmp://edge1:19350/live");
    }
}
