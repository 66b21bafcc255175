//! One RTMP connection: the session, its socket, and the edge for a client that connects.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tracing::debug;

use super::{Connect, Redirect, Session, TcUrl, write_rejection};
use crate::fleet::{Edge, Protocol};
use crate::fronts::redirect::{Asked, Target};
use crate::fronts::stream::Incoming;
use crate::fronts::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(in crate::fronts) async fn serve(front: Arc<Front>, client: Client, mut incoming: Incoming) {
    let mut session = Session::new(front.limits().rtmp);
    let mut output = Vec::new();
    loop {
        let last = match session.receive(&incoming.received, &mut output) {
            Ok(None) => false,
            Ok(Some(connect)) => {
                answer(&front, client, &connect, &mut output);
                true
            }
            Err(error) => {
                front.metrics().reject_client(Protocol::Rtmp.name(), error.reason());
                debug!(client = %client.address, %error, "rtmp");
                error.write_refusal(&mut output);
                true
            }
        };
        incoming.received.clear();
        if incoming.stream.write_all(&output).await.is_err() {
            return;
        }
        if last {
            return incoming.finish(front.limits()).await;
        }
        output.clear();
        match incoming.receive().await {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return front.metrics().reject_client(Protocol::Rtmp.name(), "timeout");
            }
            Ok(false) | Err(_) => return,
        }
    }
}

/// Rejects a connect: with the address of an edge, or, when there is none, without.
fn answer(front: &Front, client: Client, connect: &Connect, output: &mut Vec<u8>) {
    match front.choose(Protocol::Rtmp, Some(Protocol::Rtmp)) {
        Ok(edge) => {
            let url = connect_url(&edge, client, connect);
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

/// What the client is to connect to on `edge`: its own connect URL with another scheme, host and port.
fn connect_url(edge: &Edge, client: Client, connect: &Connect) -> String {
    // A session with a tcUrl that is none is refused before this.
    let asked = connect.tc_url.as_deref().and_then(|url| TcUrl::parse(url).ok());
    let Some(TcUrl { scheme, port, path, query, .. }) = asked else {
        let asked = Asked { scheme: "rtmp", port: Some(client.listener_port) };
        return format!("{}/{}", Target::new(edge, Protocol::Rtmp, asked), connect.app);
    };
    // Schemes are compared regardless of case (RFC 3986 section 3.1); endpoints are in lower case.
    let scheme = scheme.to_ascii_lowercase();
    let target = Target::new(edge, Protocol::Rtmp, Asked { scheme: &scheme, port });
    match query {
        Some(query) => format!("{target}{path}?{query}"),
        None => format!("{target}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::Host;

    use super::super::connect::ObjectEncoding;
    use super::*;
    use crate::fleet::tests::{SOURCE, at, id, report};

    fn url(app: &str, tc_url: Option<&str>) -> String {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        let edge = Edge::new(id(1), &report, SOURCE, at(0));
        let client = Client { address: "127.0.0.1:50000".parse().unwrap(), listener_port: 19350 };
        let connect = Connect {
            transaction: 1.0,
            app: app.to_owned(),
            tc_url: tc_url.map(str::to_owned),
            flash_version: None,
            page_url: None,
            object_encoding: ObjectEncoding::Amf0,
            srs_signature: None,
        };
        connect_url(&edge, client, &connect)
    }

    #[test]
    fn everything_but_the_server_is_kept() {
        assert_eq!(url("live", Some("rtmp://lb:1936/live/inst?a=b")), "rtmp://edge1:1936/live/inst?a=b");
        assert_eq!(url("live", Some("RTMP://lb/live")), "rtmp://edge1/live");
    }

    #[test]
    fn a_client_without_a_url_is_sent_to_its_application() {
        assert_eq!(url("live", None), "rtmp://edge1:19350/live");
    }
}
