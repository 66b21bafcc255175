//! Both ways until both have ended.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use crate::fronts::Front;
use crate::fronts::relay::Upstream;
use crate::fronts::relay::direction::{Direction, Transit};
use crate::fronts::relay::splice::Spliced;
use crate::fronts::stream::Stream;
use crate::relayed::Session;

/// Carries what either end sends to the other, until both have ended, or one has failed.
///
/// `to_edge` was read from the client already, and goes to the edge first; `to_client` goes to the client first.
pub(in crate::fronts) async fn carry(
    front: &Front,
    client: Stream,
    upstream: Upstream,
    to_edge: Bytes,
    to_client: Bytes,
) {
    let Upstream { stream, session, .. } = upstream;
    match (client, stream) {
        (Stream::Plain(client), Stream::Plain(edge)) => {
            let (Ok(mut client), Ok(mut edge)) = (client.into_registered(), edge.into_registered()) else { return };
            let up = Direction::new(Spliced::new(&to_edge, &front.supplies));
            let down = Direction::new(Spliced::new(&to_client, &front.supplies));
            let _ = both(&session, &mut client, &mut edge, up, down).await;
        }
        (mut client, mut edge) => {
            let _ = edge.write_all(&to_edge).await;
            let _ = copy_bidirectional(&mut client, &mut edge).await;
        }
    }
}

async fn both<T: Transit>(
    session: &Session,
    client: &mut T::End,
    edge: &mut T::End,
    mut up: Direction<T>,
    mut down: Direction<T>,
) -> io::Result<()> {
    poll_fn(|cx| {
        let (mut to_edge, mut to_client) = (0, 0);
        let _ = up.poll(cx, client, edge, &mut to_edge)?;
        let _ = down.poll(cx, edge, client, &mut to_client)?;
        if to_edge > 0 {
            session.count_to_edge(to_edge);
        }
        if to_client > 0 {
            session.count_to_client(to_client);
        }
        if up.has_ended() && down.has_ended() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}
