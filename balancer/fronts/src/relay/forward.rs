//! Forwards in both directions until both have ended.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tracing::debug;

use crate::front::Front;
use crate::relay::Upstream;
use crate::relay::copy::Copied;
use crate::relay::direction::{Direction, Transit};
use crate::relay::idle::{Due, Idle};
use crate::relay::sessions::Session;
use crate::relay::splice::Spliced;
use crate::stream::Stream;

/// Forwards bytes between client and edge until both directions have ended or one has failed.
///
/// `to_edge` has already been received from the client and is sent to the edge first; `to_client` is sent to the client
/// first.
pub(crate) async fn forward(front: &Front, client: Stream, upstream: Upstream, to_edge: Bytes, to_client: Bytes) {
    let Upstream { stream, session, .. } = upstream;
    let (pool, idle) = (&front.pool, front.relay().settings.idle_timeout);
    let end = match (client, stream) {
        (Stream::Plain(client), Stream::Plain(edge)) => {
            let (Ok(mut client), Ok(mut edge)) = (client.into_registered(), edge.into_registered()) else { return };
            let directions = [&to_edge, &to_client].map(|first| Direction::new(Spliced::new(first, pool)));
            drop((to_edge, to_client));
            forward_both(&session, &mut client, &mut edge, directions, idle).await
        }
        (mut client, mut edge) => {
            let directions = [&to_edge, &to_client].map(|first| Direction::new(Copied::new(first, pool)));
            drop((to_edge, to_client));
            // Boxed: large, and needed by few sessions.
            Box::pin(forward_both(&session, &mut client, &mut edge, directions, idle)).await
        }
    };
    match end {
        End::Finished => {}
        End::Failed(error) => debug!(%error, "relayed session failed"),
        End::Idle => front.metrics().relay_closed("idle"),
        End::Drained => front.metrics().relay_closed("drained"),
    }
}

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// Both directions have ended.
    Finished,
    /// A connection has failed.
    Failed(io::Error),
    /// The idle timeout has expired.
    Idle,
    /// The drain deadline of the edge is reached.
    Drained,
}

/// Forwards in both directions. This future is all the memory of an idle session: it holds no pipe and no buffer.
async fn forward_both<T: Transit>(
    session: &Session,
    client: &mut T::End,
    edge: &mut T::End,
    [mut up, mut down]: [Direction<T>; 2],
    idle_timeout: Option<Duration>,
) -> End {
    let mut must_end = pin!(session.must_end());
    let mut timer = pin!(sleep(Duration::ZERO));
    let mut idle = Idle::new(timer.as_mut(), idle_timeout);
    let mut failure = None;
    poll_fn(|cx| {
        let (mut to_edge, mut to_client) = (0, 0);
        let up_outcome = up.poll(cx, client, edge, &mut to_edge);
        let down_outcome = down.poll(cx, edge, client, &mut to_client);
        if to_edge > 0 {
            session.count_to_edge(to_edge);
        }
        if to_client > 0 {
            session.count_to_client(to_client);
        }
        for outcome in [up_outcome, down_outcome] {
            if let Poll::Ready(Err(error)) = outcome {
                failure.get_or_insert(error);
            }
        }
        // After a failure in one direction, the other forwards what was already received, such as the edge's last
        // message.
        let is_done =
            |direction: &Direction<T>| direction.has_ended() || (failure.is_some() && direction.awaits_source());
        if is_done(&up) && is_done(&down) {
            return Poll::Ready(failure.take().map_or(End::Finished, End::Failed));
        }
        if must_end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Drained);
        }
        if to_edge + to_client > 0 {
            idle.restart();
        }
        // A connection that is being read reports its failure. Any other has to be checked.
        let is_reading = up.awaits_source() && down.awaits_source();
        match ready!(idle.poll(cx, is_reading)) {
            Due::Timeout => Poll::Ready(End::Idle),
            Due::Check => match T::failure(client).or_else(|| T::failure(edge)) {
                Some(error) => Poll::Ready(End::Failed(error)),
                None => Poll::Pending,
            },
        }
    })
    .await
}
