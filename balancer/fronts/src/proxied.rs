//! Clients that come through a proxy: who they are is said ahead of their own bytes.

use std::io;
use std::net::SocketAddr;

use bytes::Buf as _;

use crate::Client;
use crate::incoming::Incoming;
use crate::proxy_protocol::{Parsed, parse};

/// Takes the PROXY protocol header off what is received; the client that it tells of. One that tells of nobody, as that
/// of a health check, leaves the proxy itself.
///
/// # Errors
/// Those of [`Incoming::receive`]; [`io::ErrorKind::InvalidData`] when there is no header, and
/// [`io::ErrorKind::UnexpectedEof`] when the connection ends before it does.
pub(super) async fn unwrap(incoming: &mut Incoming, proxy: Client) -> io::Result<Client> {
    loop {
        match parse(&incoming.received) {
            Parsed::NeedMore => {}
            Parsed::Complete { addresses, length, .. } => {
                incoming.received.advance(length);
                let Some(addresses) = addresses else { return Ok(proxy) };
                let source = SocketAddr::new(addresses.source.ip().to_canonical(), addresses.source.port());
                // Clients are redirected to the port that they know.
                return Ok(Client { address: source, listener_port: addresses.destination.port(), ..proxy });
            }
            Parsed::Invalid(invalid) => return Err(io::Error::new(io::ErrorKind::InvalidData, invalid)),
        }
        if !incoming.receive().await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
