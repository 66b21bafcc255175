//! Where else than to its edge a client may go: for those who can be told of more than one.

use std::sync::Arc;

use weir_fleet::{Edge, Protocol, Refusal};
use weir_protocol::EdgeId;

use crate::redirect::{Assignment, Destination};
use crate::{Client, Front};

impl Front {
    /// As [`Front::choose`], with the edges that would come next.
    pub(crate) fn choose_several(
        &self,
        client: Client,
        protocol: Protocol,
        needed: Option<Protocol>,
        path: Option<&str>,
    ) -> Result<(Assignment, Vec<Arc<Edge>>), Refusal> {
        let destination = self.choose(client, protocol, needed, path)?;
        let others = match &destination.destination {
            Destination::Edge(edge) => self.rank_behind(edge.id, client, needed, path),
            // Nobody else takes it.
            Destination::Overflow(_) => Vec::new(),
        };
        Ok((destination, others))
    }

    /// The edges that come next for a client that has the edge `first`. Nothing is counted.
    pub(crate) fn rank_behind(
        &self,
        first: EdgeId,
        client: Client,
        needed: Option<Protocol>,
        path: Option<&str>,
    ) -> Vec<Arc<Edge>> {
        let snapshot = self.shared.fleet.load();
        let not = [first];
        let request = self.request(client, needed, path, &not);
        let ranked = self.shared.selector.rank(&snapshot, &request, self.now(), self.random());
        ranked.into_iter().map(Arc::clone).collect()
    }
}
