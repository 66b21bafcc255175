//! `/steering/hls` and `/steering/dash`: from which edge a player is to play, asked again and again while it plays
//! (draft-pantos-hls-rfc8216bis section 7, ETSI TS 103 998).
//!
//! What no redirect can do: a session leaves an edge that drains or has died. While its edge will do, it stays there.
//!
//! | module       | what it holds                       |
//! |--------------|-------------------------------------|
//! | [`question`] | what a player says of itself        |
//! | [`manifest`] | what it is told                     |

mod manifest;
mod question;

use std::sync::Arc;

use weir_fleet::{Edge, Exclusion, Forecast, Protocol, State};
use weir_protocol::EdgeId;

use crate::http::answer::{Answer, Body};
use crate::http::request::Request;
use crate::http::steering::manifest::{Manifest, Pathway};
use crate::http::steering::question::Question;
use crate::http::{cors, redirect};
use crate::redirect::{RequestedUrl, Target};
use crate::settings::Application;
use crate::{Client, Front};

/// Whose manifest it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Hls,
    Dash,
}

/// The pathway of the place elsewhere, which has no GUID.
const ELSEWHERE: &str = "elsewhere";

/// Says from where to play.
///
/// This is never refused: a player that gets an error keeps to what it has at best, and some give up being steered. When
/// there is no edge it is told to stay.
pub(super) fn answer<'a>(front: &'a Front, client: Client, request: &Request<'a>, format: Format) -> Answer<'a> {
    let question = Question::parse(format, request.query);
    let snapshot = front.snapshot();
    let forecast = snapshot.forecast(front.now());
    let known = |id: EdgeId| snapshot.edge(id);
    let playing = question.playing.and_then(known);
    // A player that cannot go where it was sent is not sent, nor counted, again and again.
    let kept = playing.filter(|edge| keeps_clients(edge, &forecast)).or_else(|| {
        let given = question.given.and_then(known);
        given.filter(|edge| keeps_clients(edge, &forecast))
    });
    let path = question.path.as_deref();
    let view = View { format, asked: redirect::asked(client, request), front, path };
    let mut pathways = Vec::new();
    let mut given = None;
    let mut reason = None;
    let others = if let Some(edge) = kept {
        given = Some(edge.id);
        pathways.push(view.of_edge(edge));
        front.rank_behind(edge.id, client, Some(Protocol::Http), path)
    } else {
        match front.choose_several(client, Protocol::Http, Some(Protocol::Http), path) {
            Ok((destination, others)) => {
                reason = Some(destination.reason.name());
                given = destination.edge().map(|edge| edge.id);
                let application = view.application();
                let target = destination.target(Protocol::Http, view.asked, application);
                let id = given.map_or_else(|| ELSEWHERE.to_owned(), |id| id.to_string());
                // A pathway can have another host, and no other path.
                pathways.extend((!target.has_path()).then(|| view.pathway(id, target)));
                others
            }
            Err(refusal) => {
                reason = Some(refusal.name());
                Vec::new()
            }
        }
    };
    pathways.extend(others.iter().map(|edge| view.of_edge(edge)));
    // It takes no new clients, and is better than nothing for one that it has.
    if let Some(edge) = playing.filter(|edge| still_serves(edge))
        && pathways.iter().all(|pathway| pathway.id != edge.id.to_string())
    {
        pathways.push(view.of_edge(edge));
    }
    let base = question.base();
    let base_is_edge = base.parse().is_ok_and(|id| snapshot.edge(id).is_some());
    let ttl = front.http().steering_ttl.as_millis().div_ceil(1000);
    let manifest = Manifest { format, ttl, base, base_is_edge, pathways: &pathways };
    let text = manifest.json(&question.reload_uri(request.path, request.query, given));
    let answer = cors::open(Answer::content(format.content_type(), Body::Made(text)), request);
    match reason {
        Some(reason) => answer.with(Front::REASON_HEADER, reason),
        None => answer,
    }
}

/// What a pathway is made with.
struct View<'a> {
    format: Format,
    asked: RequestedUrl<'static>,
    front: &'a Front,
    path: Option<&'a str>,
}

impl View<'_> {
    fn application(&self) -> &Application {
        self.front.application(Protocol::Http, self.path.unwrap_or_default())
    }

    fn of_edge(&self, edge: &Arc<Edge>) -> Pathway {
        self.pathway(edge.id.to_string(), Target::new(edge, Protocol::Http, self.asked, self.application()))
    }

    fn pathway(&self, id: String, target: Target<'_>) -> Pathway {
        let host = target.host_in_url();
        let host = match (self.format, target.port_in_url()) {
            // In HLS it is the name alone that is replaced: hls.js ignores one with a port altogether. In DASH it is all
            // between the scheme and the path: dash.js keeps no port of the URL that it replaces it in.
            (Format::Dash, Some(port)) => format!("{host}:{port}"),
            _ => host.to_string(),
        };
        Pathway { id, host }
    }
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Hls => "application/vnd.apple.steering-list",
            Self::Dash => "application/json",
        }
    }
}

/// Whether a player stays on the edge. That it is full is no reason to leave.
fn keeps_clients(edge: &Edge, forecast: &Forecast) -> bool {
    edge.is_allowed()
        && edge.serves(Protocol::Http)
        && matches!(edge.load.expect(forecast), Ok(_) | Err(Exclusion::Full))
}

/// Whether the edge can still be played from, by all that is known.
fn still_serves(edge: &Edge) -> bool {
    edge.is_allowed() && matches!(edge.load.state(), State::Paused | State::Draining)
}

#[cfg(test)]
mod tests;
