//! Assignments for HTTP requests.

use weir_fleet::{Protocol, Refusal};

use crate::client::Client;
use crate::front::Front;
use crate::http::request::Request;
use crate::redirect::Assignment;

/// Assigns an edge. HEAD counts as no assignment, since the client sends GET next.
pub(super) fn assign(
    front: &Front,
    client: Client,
    request: &Request<'_>,
    edge_protocol: Option<Protocol>,
    path: Option<&str>,
) -> Result<Assignment, Refusal> {
    if request.is_head() {
        front.preview(client, edge_protocol, path)
    } else {
        front.assign(client, Protocol::Http, edge_protocol, path)
    }
}
