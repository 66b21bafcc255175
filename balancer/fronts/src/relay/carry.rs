//! Both ways until both have ended.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tracing::debug;

use crate::Front;
use crate::relay::Upstream;
use crate::relay::copy::Copied;
use crate::relay::direction::{Direction, Transit};
use crate::relay::idle::{Due, Idle};
use crate::relay::splice::Spliced;
use crate::relay_sessions::Session;
use crate::stream::Stream;

/// Carries what either end sends to the other, until both have ended, or one has failed.
///
/// `to_edge` was read from the client already, and goes to the edge first; `to_client` goes to the client first.
pub(crate) async fn carry(front: &Front, client: Stream, upstream: Upstream, to_edge: Bytes, to_client: Bytes) {
    let Upstream { stream, session, .. } = upstream;
    let (supplies, idle) = (&front.supplies, front.relay().settings.idle_timeout);
    let end = match (client, stream) {
        (Stream::Plain(client), Stream::Plain(edge)) => {
            let (Ok(mut client), Ok(mut edge)) = (client.into_registered(), edge.into_registered()) else { return };
            let directions = [&to_edge, &to_client].map(|first| Direction::new(Spliced::new(first, supplies)));
            drop((to_edge, to_client));
            both(&session, &mut client, &mut edge, directions, idle).await
        }
        (mut client, mut edge) => {
            let directions = [&to_edge, &to_client].map(|first| Direction::new(Copied::new(first, supplies)));
            drop((to_edge, to_client));
            // Boxed, since few sessions need the room.
            Box::pin(both(&session, &mut client, &mut edge, directions, idle)).await
        }
    };
    match end {
        End::Finished => {}
        End::Failed(error) => debug!(%error, "a relayed session failed"),
        End::Idle => front.metrics().relay_closed("idle"),
        End::Drained => front.metrics().relay_closed("drained"),
    }
}

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// Both ends have said all that they had to say.
    Finished,
    /// One of the connections is broken.
    Failed(io::Error),
    /// Nothing was carried for too long.
    Idle,
    /// The drain of its edge is over.
    Drained,
}

/// Carries both ways. All that an idle session takes is in here: no pipe, and no buffer.
async fn both<T: Transit>(
    session: &Session,
    client: &mut T::End,
    edge: &mut T::End,
    [mut up, mut down]: [Direction<T>; 2],
    idle_timeout: Option<Duration>,
) -> End {
    let mut must_end = pin!(session.must_end());
    let mut timer = pin!(sleep(Duration::ZERO));
    let mut idle = Idle::new(timer.as_mut(), idle_timeout);
    let mut broken = None;
    poll_fn(|cx| {
        let (mut to_edge, mut to_client) = (0, 0);
        let went_up = up.poll(cx, client, edge, &mut to_edge);
        let came_down = down.poll(cx, edge, client, &mut to_client);
        if to_edge > 0 {
            session.count_to_edge(to_edge);
        }
        if to_client > 0 {
            session.count_to_client(to_client);
        }
        for outcome in [went_up, came_down] {
            if let Poll::Ready(Err(error)) = outcome {
                broken.get_or_insert(error);
            }
        }
        // With one direction broken the other carries what has come already, such as the edge's last words.
        let is_done =
            |direction: &Direction<T>| direction.has_ended() || (broken.is_some() && direction.awaits_source());
        if is_done(&up) && is_done(&down) {
            return Poll::Ready(broken.take().map_or(End::Finished, End::Failed));
        }
        if must_end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Drained);
        }
        if to_edge + to_client > 0 {
            idle.restart();
        }
        // An end that is read from is heard when it fails. One that is not must be asked.
        let is_heard = up.awaits_source() && down.awaits_source();
        match ready!(idle.poll(cx, is_heard)) {
            Due::TooLong => Poll::Ready(End::Idle),
            Due::Check => match T::failure(client).or_else(|| T::failure(edge)) {
                Some(error) => Poll::Ready(End::Failed(error)),
                None => Poll::Pending,
            },
        }
    })
    .await
}
