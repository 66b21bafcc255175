//! What the workers share to relay.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use crate::relay::supplies::{Quota, Supplies};
use crate::relay::unreachable::Unreachable;
use crate::relay_sessions::RelaySessions;
use crate::settings;

/// What the workers share to relay.
#[derive(Debug)]
pub struct Relay {
    pub(crate) settings: settings::Relay,
    /// With what edges are connected to over TLS.
    pub(super) edge_tls: Arc<ClientConfig>,
    /// Those that are relayed now.
    pub(super) relayed: Arc<RelaySessions>,
    pub(super) unreachable: Unreachable,
    pub(super) quota: Arc<Quota>,
}

impl Relay {
    /// Relays as `settings` say, connects to edges with `edge_tls` if over TLS, and enters each session in `relayed`.
    #[must_use]
    pub fn new(settings: settings::Relay, edge_tls: Arc<ClientConfig>, relayed: Arc<RelaySessions>) -> Self {
        let quota = Arc::new(Quota::new(&settings));
        Self { settings, edge_tls, relayed, unreachable: Unreachable::default(), quota }
    }

    /// What the sessions of one worker share.
    pub(crate) fn supplies(&self) -> Supplies {
        Supplies::new(self.settings.pipe_bytes, Arc::clone(&self.quota))
    }
}
