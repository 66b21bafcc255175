//! Alternatives to an assignment, for clients that can be given more than one destination.

use std::sync::Arc;

use weir_fleet::{Edge, Protocol};
use weir_protocol::EdgeId;

use crate::client::Client;
use crate::front::Front;
use crate::redirect::{Assignment, Destination};

impl Front {
    /// The edges that rank next after an assignment, best first. Not counted as assignments.
    pub(crate) fn alternatives_to(
        &self,
        assignment: &Assignment,
        client: Client,
        edge_protocol: Option<Protocol>,
        path: Option<&str>,
    ) -> Vec<Arc<Edge>> {
        match &assignment.destination {
            Destination::Edge(edge) => self.alternatives(edge.id, client, edge_protocol, path),
            // No edge can take the client.
            Destination::Overflow(_) => Vec::new(),
        }
    }

    /// The edges that rank next for a client on the edge `current`, best first. Not counted as assignments.
    pub(crate) fn alternatives(
        &self,
        current: EdgeId,
        client: Client,
        edge_protocol: Option<Protocol>,
        path: Option<&str>,
    ) -> Vec<Arc<Edge>> {
        let snapshot = self.shared.fleet.load();
        let excluded = [current];
        let query = self.selection_query(client, edge_protocol, path, &excluded);
        let ranked = self.shared.selector.rank(&snapshot, &query, self.now(), self.random());
        ranked.into_iter().map(Arc::clone).collect()
    }
}
