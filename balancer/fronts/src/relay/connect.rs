//! Selects an edge for a relayed client and connects to it, or to another one if that fails.

use std::future::ready;
use std::net::SocketAddr;

use smallvec::SmallVec;
use tracing::{debug, warn};
use weir_fleet::{Protocol, Refusal};
use weir_protocol::EdgeId;

use crate::client::Client;
use crate::front::Front;
use crate::proxy_protocol::Addresses;
use crate::redirect::{Assignment, Destination, RequestedUrl};
use crate::relay::Relay;
use crate::relay::dial::{Error, Options, Peer, dial};
use crate::relay::sessions::Session;
use crate::settings::Application;
use crate::stream::Stream;

/// A client's request to be relayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayRequest<'a> {
    /// The endpoint on the edge.
    pub(crate) endpoint: EdgeEndpoint<'a>,
    /// The requested path, if known; affinity keeps the viewers of a stream together by it.
    pub(crate) path: Option<&'a str>,
    /// The address of this balancer that the client connected to, for the PROXY protocol.
    pub(crate) local_address: SocketAddr,
}

/// The endpoint on an edge that a session is relayed to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EdgeEndpoint<'a> {
    /// The one that a redirect would name.
    Protocol { protocol: Protocol, requested: RequestedUrl<'a>, application: &'a Application },
    /// This port, whatever its protocol.
    Port(u16),
}

/// The connection to the edge of a relayed session.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// The connection. Unless a greeting was exchanged, no byte has been sent or received on it, but for a PROXY
    /// protocol header and TLS.
    pub(crate) stream: Stream,
    pub(crate) assignment: Assignment,
    /// Counts the session until it is dropped.
    pub(crate) session: Session,
}

/// Assigns the client to an edge and connects to it. If the connection fails, tries other edges, up to
/// `[relay] attempts`.
///
/// Only the edge that it is finally connected to counts the assignment.
pub(crate) async fn connect(front: &Front, client: Client, request: RelayRequest<'_>) -> Result<Upstream, Refusal> {
    let (upstream, ()) = connect_with(front, client, request, |stream| ready(Ok((stream, ())))).await?;
    Ok(upstream)
}

/// As [`connect`], followed by a greeting between balancer and edge. An edge whose greeting fails counts as
/// unreachable.
pub(crate) async fn connect_with<T, F: Future<Output = Result<(Stream, T), Error>>>(
    front: &Front,
    client: Client,
    request: RelayRequest<'_>,
    greet: impl Fn(Stream) -> F,
) -> Result<(Upstream, T), Refusal> {
    // Boxed, so that the session does not keep the memory that connecting takes.
    let outcome = Box::pin(try_edges(front, client, request, None, greet)).await;
    let reason = outcome.as_ref().map(|(upstream, _)| upstream.assignment.reason).map_err(|refusal| *refusal);
    front.metrics().count_assignment(request.protocol(), reason);
    outcome
}

/// Connects to the destination of an earlier, already counted assignment of the client. If the connection fails, tries
/// edges as [`connect`] does.
pub(crate) async fn connect_assigned(
    front: &Front,
    client: Client,
    assignment: Assignment,
    request: RelayRequest<'_>,
) -> Result<Upstream, Refusal> {
    let greet = |stream| ready(Ok((stream, ())));
    let (upstream, ()) = Box::pin(try_edges(front, client, request, Some(assignment), greet)).await?;
    Ok(upstream)
}

/// Tries destinations one after the other, beginning with that of the `earlier` assignment.
async fn try_edges<T, F: Future<Output = Result<(Stream, T), Error>>>(
    front: &Front,
    client: Client,
    request: RelayRequest<'_>,
    mut earlier: Option<Assignment>,
    greet: impl Fn(Stream) -> F,
) -> Result<(Upstream, T), Refusal> {
    let Relay { settings, relayed, unreachable, .. } = front.relay();
    let mut failed: SmallVec<[EdgeId; 4]> = SmallVec::new();
    for _ in 0..settings.attempts {
        let now = front.now();
        let selected = match earlier.take() {
            Some(assignment) => Ok(assignment),
            None => {
                let skipped = unreachable.recent(settings.retry_unreachable_after, now);
                select(front, client, &request, &failed, skipped)
            }
        };
        let assignment = match selected {
            Ok(assignment) => assignment,
            Err(refusal) if failed.is_empty() => return Err(refusal),
            Err(_) => break,
        };
        let edge = assignment.edge();
        let Some(session) = relayed.open(edge.map(|edge| edge.id)) else {
            edge.inspect(|edge| edge.load.cancel_assignment(now));
            return Err(Refusal::RelayFull);
        };
        let greeted = match dial_assigned(front, client, &request, &assignment).await {
            Ok(stream) => greet(stream).await,
            Err(error) => Err(error),
        };
        let error = match greeted {
            Ok((stream, greeting)) => return Ok((Upstream { stream, assignment, session }, greeting)),
            Err(error) => error,
        };
        front.metrics().relay_failed(error.reason());
        if error.is_local() {
            edge.inspect(|edge| edge.load.cancel_assignment(now));
            return Err(Refusal::RelayFull);
        }
        let (client, address) = (client.address, assignment.host());
        let Some(edge) = edge else {
            debug!(%client, %address, %error, "connection to overflow target failed");
            break;
        };
        edge.load.cancel_assignment(now);
        failed.push(edge.id);
        if error.marks_edge_unreachable() && unreachable.record(edge.id, front.now()) {
            warn!(%client, edge = %edge.id, %address, %error, "connection to edge failed");
        } else {
            debug!(%client, edge = %edge.id, %address, %error, "connection to edge failed");
        }
    }
    Err(Refusal::Unreachable)
}

/// Selects an edge that has not `failed`, and preferably none of the `skipped` ones.
fn select(
    front: &Front,
    client: Client,
    request: &RelayRequest<'_>,
    failed: &[EdgeId],
    skipped: impl IntoIterator<Item = EdgeId>,
) -> Result<Assignment, Refusal> {
    let excluded: SmallVec<[EdgeId; 4]> = failed.iter().copied().chain(skipped).collect();
    match front.select(client, request.protocol(), request.path, &excluded) {
        Ok(Assignment { destination: Destination::Overflow(_), .. }) | Err(_) if excluded.len() > failed.len() => {
            front.select(client, request.protocol(), request.path, failed)
        }
        outcome => outcome,
    }
}

async fn dial_assigned(
    front: &Front,
    client: Client,
    request: &RelayRequest<'_>,
    assignment: &Assignment,
) -> Result<Stream, Error> {
    let Relay { settings, edge_tls: tls, .. } = front.relay();
    let peer = request.peer(client, assignment).ok_or(Error::NoPort)?;
    let listening = &front.shared.listening;
    let (proxy_protocol, timeout) = (settings.proxy_protocol, settings.connect_timeout);
    dial(peer, Options { tls, listening, proxy_protocol, timeout }).await
}

impl RelayRequest<'_> {
    fn protocol(&self) -> Option<Protocol> {
        match self.endpoint {
            EdgeEndpoint::Protocol { protocol, .. } => Some(protocol),
            EdgeEndpoint::Port(_) => None,
        }
    }

    /// The server to connect to; `None` if its port is unknown.
    fn peer<'d>(&'d self, client: Client, assignment: &'d Assignment) -> Option<Peer<'d>> {
        let destination = SocketAddr::new(self.local_address.ip().to_canonical(), self.local_address.port());
        let addresses = Addresses { source: client.address, destination };
        match self.endpoint {
            EdgeEndpoint::Port(port) => Some(Peer { host: assignment.host(), port, is_secure: false, addresses }),
            EdgeEndpoint::Protocol { protocol, requested, application } => {
                // The listener that accepted the client counts, not the URL that the client claims: otherwise every
                // port of an edge that advertises none would be open to all. A URL without a port means the scheme's
                // default.
                let accepted = client.requested_url(protocol);
                let requested = RequestedUrl { port: requested.port.and(accepted.port), ..accepted };
                let target = assignment.relay_target(protocol, requested, application);
                Some(Peer { host: target.host(), port: target.port()?, is_secure: target.is_secure(), addresses })
            }
        }
    }
}
