//! Settings of the fronts: their sections of the configuration file.
//!
//! | section                | module          |
//! |------------------------|-----------------|
//! | `[[listener]]`         | [`listener`]    |
//! | `[[application]]`      | [`application`] |
//! | `[http]`               | [`http`]        |
//! | `[relay]`              | [`relay`]       |
//! | `[limits]`             | [`limits`]      |
//! | `[tls]`                | [`tls`]         |
//! | `[selection] overflow` | [`overflow`]    |

pub mod application;
pub mod http;
pub mod limits;
pub mod listener;
pub mod overflow;
pub mod relay;
pub mod tls;

pub use application::{Application, Mode};
pub use http::{Http, ServerInfo};
pub use limits::{Limits, Repeats};
pub use listener::Listener;
pub use overflow::OverflowTarget;
pub use relay::{ProxyProtocol, Relay};
pub use tls::Tls;

/// Settings of the fronts.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Settings per application; the first that matches a client applies.
    pub applications: Vec<Application>,
    /// HTTP.
    pub http: Http,
    /// Relaying.
    pub relay: Relay,
    /// Limits on what a client may consume.
    pub limits: Limits,
    /// Destinations of clients that no edge can take.
    pub overflow: Vec<OverflowTarget>,
    /// Query parameter that HTTP redirects add so that a redirect back to the balancer is recognised.
    pub hop_mark: Option<String>,
}
