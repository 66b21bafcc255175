//! `/steering/hls` and `/steering/dash`: content steering manifests, which players reload while they play
//! (draft-pantos-hls-rfc8216bis section 7, ETSI TS 103 998).
//!
//! Unlike a redirect, content steering moves running sessions: they leave an edge that drains or fails. As long as its
//! edge is usable, a session stays there.
//!
//! | module         | contents                                          |
//! |----------------|---------------------------------------------------|
//! | [`mod@format`] | HLS and DASH                                      |
//! | [`query`]      | the parameters that a player sends                |
//! | [`manifest`]   | the response                                      |
//! | [`playlist`]   | adds the steering tag to a multivariant playlist  |

mod format;
mod manifest;
pub mod playlist;
mod query;

use std::sync::Arc;

use weir_fleet::{Edge, Exclusion, Forecast, Protocol, State};
use weir_protocol::EdgeId;

use crate::client::Client;
use crate::front::Front;
use crate::http::assign::assign;
use crate::http::request::Request;
use crate::http::response::{Body, Response};
use crate::http::steering::manifest::{Manifest, Pathway};
use crate::http::steering::query::SteeringQuery;
use crate::http::{cors, redirect};
use crate::redirect::{RequestedUrl, Target};
use crate::settings::Application;

pub(super) use format::Format;

/// The pathway of an overflow target, which has no GUID.
const OVERFLOW: &str = "overflow";

/// Responds with the pathways of a player, best first.
///
/// A player is never refused: after an error it stays with what it has at best, and some players stop using steering.
/// When no edge is available, the manifest keeps the player where it is.
pub(super) fn respond<'a>(front: &'a Front, client: Client, request: &Request<'a>, format: Format) -> Response<'a> {
    let query = SteeringQuery::parse(format, request.query);
    let snapshot = front.snapshot();
    let forecast = snapshot.forecast(front.now());
    let find = |id: EdgeId| snapshot.edge(id);
    let playing = query.playing.and_then(find);
    // A player that cannot switch to its assigned edge is neither reassigned nor counted with each reload.
    let kept = playing.filter(|edge| keeps_clients(edge, &forecast)).or_else(|| {
        let given = query.given.and_then(find);
        given.filter(|edge| keeps_clients(edge, &forecast))
    });
    let path = query.path.as_deref();
    let view = View { format, requested: redirect::requested_url(client, request), front, path };
    let mut pathways = Vec::new();
    let mut given = None;
    let mut reason = None;
    let alternatives = if let Some(edge) = kept {
        given = Some(edge.id);
        pathways.push(view.edge(edge));
        front.alternatives(edge.id, client, Some(Protocol::Http), path)
    } else {
        match assign(front, client, request, Some(Protocol::Http), path) {
            Ok(assignment) => {
                reason = Some(assignment.reason.name());
                given = assignment.edge().map(|edge| edge.id);
                let application = view.application();
                let target = assignment.target(Protocol::Http, view.requested, application);
                let id = given.map_or_else(|| OVERFLOW.to_owned(), |id| id.to_string());
                // A pathway can replace the host, but not the path.
                pathways.extend((!target.has_path()).then(|| view.pathway(id, target)));
                front.alternatives_to(&assignment, client, Some(Protocol::Http), path)
            }
            Err(refusal) => {
                reason = Some(refusal.name());
                Vec::new()
            }
        }
    };
    pathways.extend(alternatives.iter().map(|edge| view.edge(edge)));
    // An edge that takes no new clients is the last resort for one that it has.
    if let Some(edge) = playing.filter(|edge| still_serves(edge))
        && pathways.iter().all(|pathway| pathway.id != edge.id.to_string())
    {
        pathways.push(view.edge(edge));
    }
    let base = query.base();
    let base_is_edge = base.parse().is_ok_and(|id| snapshot.edge(id).is_some());
    let ttl = front.http().steering_ttl.as_millis().div_ceil(1000);
    let manifest = Manifest { format, ttl, base, base_is_edge, pathways: &pathways };
    let text = manifest.json(&query.reload_uri(request.path, request.query, given));
    let response = cors::allow(Response::content(format.content_type(), Body::Text(text)), request);
    match reason {
        Some(reason) => response.with(Front::REASON_HEADER, reason),
        None => response,
    }
}

/// The parameters of a pathway.
struct View<'a> {
    format: Format,
    requested: RequestedUrl<'static>,
    front: &'a Front,
    path: Option<&'a str>,
}

impl View<'_> {
    fn application(&self) -> &Application {
        self.front.application(Protocol::Http, self.path.unwrap_or_default())
    }

    fn edge(&self, edge: &Arc<Edge>) -> Pathway {
        self.pathway(edge.id.to_string(), Target::new(edge, Protocol::Http, self.requested, self.application()))
    }

    fn pathway(&self, id: String, target: Target<'_>) -> Pathway {
        let host = target.host_in_url();
        let host = match (self.format, target.port_in_url()) {
            // HLS replaces the host name only, and hls.js ignores a HOST with a port. DASH replaces everything between
            // scheme and path, and dash.js drops the original port.
            (Format::Dash, Some(port)) => format!("{host}:{port}"),
            _ => host.to_string(),
        };
        Pathway { id, host }
    }
}

/// Whether a player may stay on the edge. A full edge keeps its clients.
fn keeps_clients(edge: &Edge, forecast: &Forecast) -> bool {
    edge.is_allowed()
        && edge.serves(Protocol::Http)
        && matches!(edge.load.expect(forecast), Ok(_) | Err(Exclusion::Full))
}

/// Whether the edge presumably still serves the clients that it has.
fn still_serves(edge: &Edge) -> bool {
    edge.is_allowed() && matches!(edge.load.state(), State::Paused | State::Draining)
}

#[cfg(test)]
mod tests;
