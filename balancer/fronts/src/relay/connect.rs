//! Which edge a relayed client is brought to, and another one when it cannot be reached.

use std::future::ready;
use std::net::SocketAddr;

use smallvec::SmallVec;
use tracing::{debug, warn};
use weir_fleet::{Protocol, Refusal};
use weir_protocol::EdgeId;

use crate::proxy_protocol::Addresses;
use crate::redirect::{Assignment, Destination, RequestedUrl};
use crate::relay::Relay;
use crate::relay::reach::{Error, Manner, Peer, reach};
use crate::relay_sessions::Session;
use crate::settings::Application;
use crate::stream::Stream;
use crate::{Client, Front};

/// What a client that is to be relayed wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Where on the edge.
    pub(crate) towards: Towards<'a>,
    /// What it asks for, if it has said so: decides when the viewers of a stream are kept together.
    pub(crate) path: Option<&'a str>,
    /// The address of this balancer that it connected to: an edge may be told.
    pub(crate) reached: SocketAddr,
}

/// Where on an edge a client is brought.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Towards<'a> {
    /// Where a redirect would have sent it.
    Endpoint { protocol: Protocol, asked: RequestedUrl<'a>, application: &'a Application },
    /// To this port, whatever it speaks.
    Port(u16),
}

/// The other end of a relayed session.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// The connection to the edge. Unless it was greeted, nothing has come from it yet, and nothing of the client's has
    /// gone there.
    pub(crate) stream: Stream,
    /// Which edge, and why.
    pub(crate) destination: Assignment,
    /// Counts the session for as long as it lives.
    pub(crate) session: Session,
}

/// Chooses an edge for the client and connects to it; if it cannot be reached, to another one, up to
/// `[relay] attempts`.
///
/// The client is counted at the edge that it is brought to, and no other.
pub(crate) async fn connect(front: &Front, client: Client, wanted: Wanted<'_>) -> Result<Upstream, Refusal> {
    let (upstream, ()) = connect_and(front, client, wanted, |stream| ready(Ok((stream, ())))).await?;
    Ok(upstream)
}

/// As [`connect`], and greets the edge: one that cannot be greeted counts as one that cannot be reached.
pub(crate) async fn connect_and<T, F: Future<Output = Result<(Stream, T), Error>>>(
    front: &Front,
    client: Client,
    wanted: Wanted<'_>,
    greet: impl Fn(Stream) -> F,
) -> Result<(Upstream, T), Refusal> {
    // Boxed, so that a session does not keep the room that it took to connect.
    let outcome = Box::pin(attempt_all(front, client, wanted, None, greet)).await;
    let reason = outcome.as_ref().map(|(upstream, _)| upstream.destination.reason).map_err(|refusal| *refusal);
    front.metrics().count_choice(wanted.protocol(), reason);
    outcome
}

/// Connects to a place where the client was sent before, and counted; to another one if that cannot be reached.
pub(crate) async fn connect_to(
    front: &Front,
    client: Client,
    destination: Assignment,
    wanted: Wanted<'_>,
) -> Result<Upstream, Refusal> {
    let greet = |stream| ready(Ok((stream, ())));
    let (upstream, ()) = Box::pin(attempt_all(front, client, wanted, Some(destination), greet)).await?;
    Ok(upstream)
}

/// Tries one place after the other, that where the client was sent before `first`.
async fn attempt_all<T, F: Future<Output = Result<(Stream, T), Error>>>(
    front: &Front,
    client: Client,
    wanted: Wanted<'_>,
    mut first: Option<Assignment>,
    greet: impl Fn(Stream) -> F,
) -> Result<(Upstream, T), Refusal> {
    let Relay { settings, relayed, unreachable, .. } = front.relay();
    let mut failed: SmallVec<[EdgeId; 4]> = SmallVec::new();
    for _ in 0..settings.attempts {
        let now = front.now();
        let chosen = match first.take() {
            Some(destination) => Ok(destination),
            None => pick(front, client, &wanted, &failed, unreachable.lately(settings.retry_unreachable_after, now)),
        };
        let destination = match chosen {
            Ok(destination) => destination,
            Err(refusal) if failed.is_empty() => return Err(refusal),
            Err(_) => break,
        };
        let edge = destination.edge();
        let Some(session) = relayed.open(edge.map(|edge| edge.id)) else {
            edge.inspect(|edge| edge.load.cancel_assignment(now));
            return Err(Refusal::RelayFull);
        };
        let greeted = match reach_for(front, client, &wanted, &destination).await {
            Ok(stream) => greet(stream).await,
            Err(error) => Err(error),
        };
        let error = match greeted {
            Ok((stream, greeting)) => return Ok((Upstream { stream, destination, session }, greeting)),
            Err(error) => error,
        };
        front.metrics().relay_failed(error.reason());
        if error.is_ours() {
            edge.inspect(|edge| edge.load.cancel_assignment(now));
            return Err(Refusal::RelayFull);
        }
        let host = destination.host();
        let Some(edge) = edge else {
            debug!(client = %client.address, host, %error, "the place for clients that no edge takes cannot be reached");
            break;
        };
        edge.load.cancel_assignment(now);
        failed.push(edge.id);
        if error.is_the_edge_s() && unreachable.note(edge.id, front.now()) {
            warn!(client = %client.address, edge = %edge.id, host, %error, "an edge cannot be reached");
        } else {
            debug!(client = %client.address, edge = %edge.id, host, %error, "an edge cannot be reached");
        }
    }
    Err(Refusal::Unreachable)
}

/// Chooses an edge that has not `failed`, and none that is to be `spared` while there are others.
fn pick(
    front: &Front,
    client: Client,
    wanted: &Wanted<'_>,
    failed: &[EdgeId],
    spared: impl IntoIterator<Item = EdgeId>,
) -> Result<Assignment, Refusal> {
    let not: SmallVec<[EdgeId; 4]> = failed.iter().copied().chain(spared).collect();
    match front.pick(client, wanted.protocol(), wanted.path, &not) {
        Ok(Assignment { destination: Destination::Overflow(_), .. }) | Err(_) if not.len() > failed.len() => {
            front.pick(client, wanted.protocol(), wanted.path, failed)
        }
        outcome => outcome,
    }
}

async fn reach_for(
    front: &Front,
    client: Client,
    wanted: &Wanted<'_>,
    destination: &Assignment,
) -> Result<Stream, Error> {
    let Relay { settings, edge_tls: tls, .. } = front.relay();
    let peer = wanted.peer(client, destination).ok_or(Error::NoPort)?;
    let own = &front.shared.listening;
    let manner = Manner { tls, own, proxy_protocol: settings.proxy_protocol, limit: settings.connect_timeout };
    reach(peer, manner).await
}

impl Wanted<'_> {
    fn protocol(&self) -> Option<Protocol> {
        match self.towards {
            Towards::Endpoint { protocol, .. } => Some(protocol),
            Towards::Port(_) => None,
        }
    }

    /// What to connect to; nothing when no port is known.
    fn peer<'d>(&'d self, client: Client, destination: &'d Assignment) -> Option<Peer<'d>> {
        let destination_reached = SocketAddr::new(self.reached.ip().to_canonical(), self.reached.port());
        let addresses = Addresses { source: client.address, destination: destination_reached };
        match self.towards {
            Towards::Port(port) => Some(Peer { host: destination.host(), port, is_secure: false, addresses }),
            Towards::Endpoint { protocol, asked, application } => {
                // Where it came in counts, and not what its URL says: that is only words, and an edge that advertises no
                // port would be open to everybody at all of its ports. A URL without a port means the protocol's own.
                let came_in = client.asked(protocol);
                let asked = RequestedUrl { port: asked.port.and(came_in.port), ..came_in };
                let target = destination.relay_target(protocol, asked, application);
                Some(Peer { host: target.host(), port: target.port()?, is_secure: target.is_secure(), addresses })
            }
        }
    }
}
