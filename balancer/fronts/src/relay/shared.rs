//! The relaying state that all workers share.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use crate::relay::pool::{PipeQuota, Pool};
use crate::relay::sessions::RelaySessions;
use crate::relay::unreachable::Unreachable;
use crate::settings;

/// The relaying state that all workers share.
#[derive(Debug)]
pub struct Relay {
    pub(crate) settings: settings::Relay,
    /// TLS configuration for connections to edges.
    pub(super) edge_tls: Arc<ClientConfig>,
    /// Registry of relayed sessions.
    pub(super) relayed: Arc<RelaySessions>,
    pub(super) unreachable: Unreachable,
    pub(super) quota: Arc<PipeQuota>,
}

impl Relay {
    /// Creates the state. Sessions are entered in `relayed`; `edge_tls` applies to edges that are reached over TLS.
    #[must_use]
    pub fn new(settings: settings::Relay, edge_tls: Arc<ClientConfig>, relayed: Arc<RelaySessions>) -> Self {
        let quota = Arc::new(PipeQuota::new(&settings));
        Self { settings, edge_tls, relayed, unreachable: Unreachable::default(), quota }
    }

    /// Creates the pool of one worker.
    pub(crate) fn pool(&self) -> Pool {
        Pool::new(self.settings.pipe_bytes, Arc::clone(&self.quota))
    }
}
