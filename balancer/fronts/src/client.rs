//! A connected client.

use std::net::SocketAddr;

use weir_fleet::Protocol;

use crate::redirect::{RedirectDefaults, RequestedUrl};

/// A connected client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Its address, from the PROXY protocol if it is behind a proxy; never an IPv4-mapped IPv6 address.
    pub(crate) address: SocketAddr,
    /// The port that it connected to.
    pub(crate) listener_port: u16,
    /// Whether the connection is over TLS.
    pub(crate) is_secure: bool,
    /// Redirect defaults of the listener.
    pub(crate) redirect_defaults: RedirectDefaults,
}

impl Client {
    /// The URL that the client must have used to get here: for requests that do not contain it.
    pub(crate) fn requested_url(&self, protocol: Protocol) -> RequestedUrl<'static> {
        RequestedUrl {
            scheme: protocol.scheme(self.is_secure).as_str(),
            host: None,
            port: Some(self.listener_port),
            redirect_defaults: self.redirect_defaults,
        }
    }
}
