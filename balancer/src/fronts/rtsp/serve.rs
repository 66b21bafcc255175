//! One RTSP connection: the session, its socket, and the edge for a player that asks.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tracing::debug;

use super::{Describe, Location, Session, Step, Target, respond};
use crate::fleet::{Edge, Protocol};
use crate::fronts::redirect::{self, Asked};
use crate::fronts::stream::Incoming;
use crate::fronts::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(in crate::fronts) async fn serve(front: Arc<Front>, client: Client, mut incoming: Incoming) {
    let mut session = Session::new(front.limits().rtsp);
    let mut output = Vec::new();
    loop {
        let last = advance(&front, client, &mut session, &incoming.received, &mut output);
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
                front.metrics().reject_client(Protocol::Rtsp.name(), "timeout");
                session.time_out(&front.http_date(), &mut output);
                if incoming.stream.write_all(&output).await.is_ok() {
                    incoming.finish(front.limits()).await;
                }
                return;
            }
            Ok(false) | Err(_) => return,
        }
    }
}

/// Answers all that `input` asks; whether the last answer of the connection is among it.
fn advance(front: &Front, client: Client, session: &mut Session, mut input: &[u8], output: &mut Vec<u8>) -> bool {
    let date = front.http_date();
    loop {
        match session.step(&mut input, &date, output) {
            Step::Need => return false,
            Step::Finished => return true,
            Step::Reply(status) => debug!(client = %client.address, status = status.as_str(), "rtsp"),
            Step::Describe(describe) => {
                answer_describe(front, client, &describe, &date, output);
                return true;
            }
            Step::Refuse(refusal) => {
                front.metrics().reject_client(Protocol::Rtsp.name(), refusal.reason());
                debug!(client = %client.address, %refusal, "rtsp");
                return true;
            }
        }
    }
}

fn answer_describe(front: &Front, client: Client, describe: &Describe<'_>, date: &str, output: &mut Vec<u8>) {
    let cseq = describe.request.cseq;
    match front.choose(Protocol::Rtsp, Some(Protocol::Rtsp)) {
        Ok(edge) => match location(&edge, client, describe.target) {
            Some(location) => {
                debug!(client = %client.address, %location, "rtsp redirect");
                respond::redirect(output, cseq, date, &location);
            }
            None => respond::status(output, respond::Status::BadRequest, Some(cseq), date, respond::Connection::Close),
        },
        Err(refusal) => {
            debug!(client = %client.address, %refusal, "rtsp");
            respond::no_edge(output, cseq, date, Front::RETRY_AFTER_SECONDS.into());
        }
    }
}

/// The stream's URL on `edge`, unless the client's path cannot stand in one.
fn location(edge: &Edge, client: Client, target: Target<'_>) -> Option<Location> {
    let asked = match target {
        Target::Url(url) => Asked { scheme: url.scheme.as_str(), port: url.port },
        Target::Path(_) | Target::Asterisk => Asked { scheme: "rtsp", port: Some(client.listener_port) },
    };
    let edge = redirect::Target::new(edge, Protocol::Rtsp, asked);
    Location::parse(format!("{edge}{}", target.path_and_query()?)).ok()
}
