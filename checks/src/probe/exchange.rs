//! Text that is sent, and awaited, over TCP and UDP.

use std::net::SocketAddr;

use socket2::Type;
use tokio::net::UdpSocket;

use super::connection::Connection;
use super::deadline::Deadline;
use super::socket;
use crate::check::Exchange;
use crate::failure::Awaited;
use crate::search::{MOST, Search};
use crate::{Failure, ProbeOptions};

/// Over a connection. With nothing to be received it is enough that there is one.
pub(super) async fn converse(mut connection: Connection, exchange: &Exchange) -> Result<(), Failure> {
    if let Some(text) = &exchange.send {
        connection.write(text.as_bytes()).await?;
    }
    match &exchange.receive {
        Some(text) => find(&mut connection, Search::new(text)).await,
        None => Ok(()),
    }
}

/// Reads until the text is found. A connection that is closed without a byte has another cause than one that says
/// something else.
async fn find(connection: &mut Connection, mut search: Search<'_>) -> Result<(), Failure> {
    let mut has_answered = false;
    while !search.is_over() {
        let piece = match connection.read().await {
            Err(Failure::Closed) if has_answered => break,
            piece => piece?,
        };
        has_answered = true;
        if search.push(&piece) {
            return Ok(());
        }
    }
    Err(Failure::Content)
}

/// By a datagram, an empty one unless there is something to send. Where nobody listens the kernel of the server refuses
/// it (ICMP), which is a failure. Silence is one only when an answer is awaited.
pub(super) async fn datagram(
    target: SocketAddr,
    exchange: &Exchange,
    options: ProbeOptions,
    deadline: Deadline,
) -> Result<(), Failure> {
    let datagrams = UdpSocket::from_std(socket::open(target, Type::DGRAM, options)?.into())?;
    // Connected, or nothing would be heard of a refusal.
    datagrams.connect(target).await.map_err(|error| socket::unconnected(error, options))?;
    datagrams.send(exchange.send.as_deref().unwrap_or_default().as_bytes()).await?;
    let mut buffer = vec![0; MOST];
    match &exchange.receive {
        // There may be others before the one that is awaited.
        Some(text) => {
            let mut failure = Failure::Timeout(Awaited::Answer);
            loop {
                let length = match deadline.within(Awaited::Answer, datagrams.recv(&mut buffer)).await {
                    Err(Failure::Timeout(_)) => return Err(failure),
                    received => received?,
                };
                if Search::new(text).push(&buffer[..length]) {
                    return Ok(());
                }
                failure = Failure::Content;
            }
        }
        None => match deadline.within(Awaited::Answer, datagrams.recv(&mut buffer)).await {
            Ok(_) | Err(Failure::Timeout(_)) => Ok(()),
            Err(failure) => Err(failure),
        },
    }
}
