//! Text that is sent and expected over TCP and UDP.

use std::net::SocketAddr;

use socket2::Type;
use tokio::net::UdpSocket;

use super::connection::Connection;
use super::deadline::Deadline;
use super::socket;
use crate::check::Exchange;
use crate::failure::Phase;
use crate::search::{MAX_SEARCHED, Search};
use crate::{Failure, ProbeOptions};

/// Sends and expects text over a connection. Without text to expect, the connection alone is a success.
pub(super) async fn converse(mut connection: Connection, exchange: &Exchange) -> Result<(), Failure> {
    if let Some(text) = &exchange.send {
        connection.write(text.as_bytes()).await?;
    }
    match &exchange.receive {
        Some(text) => find(&mut connection, Search::new(text)).await,
        None => Ok(()),
    }
}

/// Reads until the text is found. A connection that is closed before the first byte is reported as closed, and
/// otherwise as unexpected content.
async fn find(connection: &mut Connection, mut search: Search<'_>) -> Result<(), Failure> {
    let mut has_responded = false;
    while !search.is_over() {
        let piece = match connection.read().await {
            Err(Failure::Closed) if has_responded => break,
            piece => piece?,
        };
        has_responded = true;
        if search.push(&piece) {
            return Ok(());
        }
    }
    Err(Failure::Content)
}

/// Sends a datagram, which is empty unless there is text to send. A refusal of the server's kernel (ICMP port
/// unreachable) is a failure. Silence is a failure only if a response is expected.
pub(super) async fn datagram(
    target: SocketAddr,
    exchange: &Exchange,
    options: ProbeOptions,
    deadline: Deadline,
) -> Result<(), Failure> {
    let datagrams = UdpSocket::from_std(socket::open(target, Type::DGRAM, options)?.into())?;
    // Only connected sockets receive ICMP errors.
    datagrams.connect(target).await.map_err(|error| socket::connect_failure(error, options))?;
    datagrams.send(exchange.send.as_deref().unwrap_or_default().as_bytes()).await?;
    let mut buffer = vec![0; MAX_SEARCHED];
    match &exchange.receive {
        // Other datagrams may arrive before the expected one.
        Some(text) => {
            let mut failure = Failure::Timeout(Phase::Response);
            loop {
                let length = match deadline.within(Phase::Response, datagrams.recv(&mut buffer)).await {
                    Err(Failure::Timeout(_)) => return Err(failure),
                    received => received?,
                };
                if Search::new(text).push(&buffer[..length]) {
                    return Ok(());
                }
                failure = Failure::Content;
            }
        }
        None => match deadline.within(Phase::Response, datagrams.recv(&mut buffer)).await {
            Ok(_) | Err(Failure::Timeout(_)) => Ok(()),
            Err(failure) => Err(failure),
        },
    }
}
