//! The URL that a client requested, as far as redirects depend on it.

use weir_fleet::Scheme;

/// The URL that a client requested: what a redirect falls back on where the edge advertises nothing.
#[derive(Clone, Copy, Debug)]
pub struct RequestedUrl<'a> {
    /// The scheme.
    pub scheme: &'a str,
    /// The host, if a client that came back with it would be redirected again; used to detect loops.
    pub host: Option<&'a str>,
    /// The port, if the URL names one.
    pub port: Option<u16>,
    /// The defaults of the listener that accepted the client.
    pub redirect_defaults: RedirectDefaults,
}

/// Defaults of a listener for redirects to edges that advertise no endpoint for the protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedirectDefaults {
    /// Scheme used instead of the client's.
    pub scheme: Option<Scheme>,
    /// Port used instead of the client's.
    pub port: Option<u16>,
}
