//! Both ways until both have ended.

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use crate::fronts::Front;
use crate::fronts::relay::Upstream;
use crate::fronts::stream::Stream;

/// Carries what either end sends to the other, until both have ended, or one has failed.
///
/// `to_edge` was read from the client already, and goes to the edge first; `to_client` goes to the client first.
pub(in crate::fronts) async fn carry(
    _front: &Front,
    mut client: Stream,
    upstream: Upstream,
    to_edge: Bytes,
    to_client: Bytes,
) {
    let Upstream { mut stream, session, .. } = upstream;
    if stream.write_all(&to_edge).await.is_err() || client.write_all(&to_client).await.is_err() {
        return;
    }
    if let Ok((to_edge, to_client)) = copy_bidirectional(&mut client, &mut stream).await {
        session.count_to_edge(to_edge);
        session.count_to_client(to_client);
    }
}
