//! One RTSP connection: the session, its socket, and the edge for a player that asks.

use std::sync::Arc;

use tracing::debug;

use super::{Describe, Location, Session, Step, Target, respond};
use crate::fleet::Protocol;
use crate::fronts::conversation::{Conversation, Progress, hold};
use crate::fronts::incoming::Incoming;
use crate::fronts::redirect::{Asked, Destination};
use crate::fronts::{Client, Front};

/// Serves a connection of which `incoming` holds the first bytes.
pub(in crate::fronts) async fn serve(front: Arc<Front>, client: Client, incoming: Incoming) {
    let session = Session::new(front.limits().rtsp);
    // No RTSP client is relayed.
    let _ = hold(incoming, front.limits(), &mut Player { front: &front, client, session }).await;
}

/// A client, and how far it has come.
struct Player<'f> {
    front: &'f Front,
    client: Client,
    session: Session,
}

impl Conversation for Player<'_> {
    fn advance(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Progress {
        let Self { front, client, session } = self;
        let date = front.http_date();
        loop {
            match session.step(&mut input, &date, output) {
                Step::Need => return Progress::More,
                Step::Finished => return Progress::Last,
                Step::Reply(status) => debug!(client = %client.address, status = status.as_str(), "rtsp"),
                Step::Describe(describe) => {
                    answer_describe(front, *client, &describe, &date, output);
                    return if input.is_empty() { Progress::Answered } else { Progress::Last };
                }
                Step::Refuse(refusal) => {
                    front.metrics().reject_client(Protocol::Rtsp.name(), refusal.reason());
                    debug!(client = %client.address, %refusal, "rtsp");
                    return Progress::Last;
                }
            }
        }
    }

    fn time_out(&mut self, output: &mut Vec<u8>) {
        self.front.metrics().reject_client(Protocol::Rtsp.name(), "timeout");
        self.session.time_out(&self.front.http_date(), output);
    }
}

fn answer_describe(front: &Front, client: Client, describe: &Describe<'_>, date: &str, output: &mut Vec<u8>) {
    let cseq = describe.request.cseq;
    let path = describe.target.path_and_query();
    match front.choose(client, Protocol::Rtsp, Some(Protocol::Rtsp), path) {
        Ok(destination) => match location(front, &destination, client, describe.target) {
            Some(location) => {
                debug!(client = %client.address, %location, "rtsp redirect");
                respond::redirect(output, cseq, date, &location, destination.reason.name());
            }
            None => respond::status(output, respond::Status::BadRequest, Some(cseq), date, respond::Connection::Close),
        },
        Err(refusal) => {
            debug!(client = %client.address, %refusal, "rtsp");
            respond::no_edge(output, cseq, date, Front::RETRY_AFTER_SECONDS.into(), refusal.name());
        }
    }
}

/// The stream's URL at its destination, unless the client's path cannot stand in one.
fn location(front: &Front, destination: &Destination, client: Client, target: Target<'_>) -> Option<Location> {
    let asked = match target {
        Target::Url(url) => {
            Asked { scheme: url.scheme.as_str(), host: Some(url.host), port: url.port, told: client.told }
        }
        Target::Path(_) | Target::Asterisk => client.asked(Protocol::Rtsp),
    };
    let path = target.path_and_query()?;
    let application = front.application(Protocol::Rtsp, path);
    let beginning = destination.target(Protocol::Rtsp, asked, application);
    Location::parse(format!("{beginning}{}", application.rename(path))).ok()
}
