//! Receives a header from a connection.

use std::io;
use std::net::SocketAddr;

use bytes::Buf as _;

use crate::client::Client;
use crate::downstream::Downstream;
use crate::proxy_protocol::outcome::Parsed;
use crate::proxy_protocol::parse::parse;

/// Receives the PROXY protocol header of `proxy`'s connection and removes it from the received bytes. Returns the
/// client that it describes, or `proxy` itself for a header without addresses, such as that of a health check.
///
/// # Errors
/// Those of [`Downstream::receive`]; [`io::ErrorKind::InvalidData`] when there is no valid header, and
/// [`io::ErrorKind::UnexpectedEof`] when the connection ends within it.
pub(crate) async fn receive(downstream: &mut Downstream, proxy: Client) -> io::Result<Client> {
    loop {
        match parse(&downstream.received) {
            Parsed::NeedMore => {}
            Parsed::Complete { addresses, length, .. } => {
                downstream.received.advance(length);
                let Some(addresses) = addresses else { return Ok(proxy) };
                let address = SocketAddr::new(addresses.source.ip().to_canonical(), addresses.source.port());
                // Redirects use the port that the client connected to.
                return Ok(Client { address, listener_port: addresses.destination.port(), ..proxy });
            }
            Parsed::Invalid(invalid) => return Err(io::Error::new(io::ErrorKind::InvalidData, invalid)),
        }
        if !downstream.receive().await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
